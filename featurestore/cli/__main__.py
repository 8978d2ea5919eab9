"""`python -m featurestore.cli`: the command line where the `featurestore` script is not on the path."""

from featurestore.cli.app import main

main()
