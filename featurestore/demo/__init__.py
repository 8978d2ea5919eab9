"""The flights example: public data of 2013 made into sources that a feature store can be tried on."""
