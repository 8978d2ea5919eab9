// Sorts and filters the table of features. The page says all without it.
"use strict";
(() => {
  const table = document.getElementById("features");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];

  const compare = (place, numbers) => (one, other) => {
    const a = one.cells[place].dataset.value;
    const b = other.cells[place].dataset.value;
    return numbers ? Number(a) - Number(b) : a.localeCompare(b);
  };
  heads.forEach((head, place) => {
    head.querySelector("button").addEventListener("click", () => {
      const numbers = head.dataset.kind === "number";
      const before = head.getAttribute("aria-sort");
      const descending = before ? before === "ascending" : numbers;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const ordered = [...rows].sort(compare(place, numbers));
      body.append(...(descending ? ordered.reverse() : ordered));
    });
  });

  const tools = document.querySelector(".tools");
  const filter = () => {
    const text = tools.elements.find.value.toLowerCase();
    const differing = tools.elements.differing.checked;
    let shown = 0;
    rows.forEach((row) => {
      row.hidden = !row.dataset.name.includes(text) || (differing && row.dataset.differing === "0");
      shown += !row.hidden;
    });
    tools.querySelector("output").textContent = `${shown} of ${rows.length} features`;
  };
  tools.addEventListener("input", filter);
  tools.addEventListener("submit", (event) => event.preventDefault());
  filter();
  tools.hidden = false;
  document.documentElement.dataset.ready = "yes";
})();
