// What the page can do beyond being read: sort and filter tables, say where a number comes from, and lead from a
// study to the estimate without it. Nothing is computed here; everything shown stands on the page already.
"use strict";
(() => {
  const MANY = 8; // rows from which on a table can be filtered
  const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);
  const cells = (row) => [...row.cells];
  const written = (cell) => cell.textContent.trim();

  // --- sorting ---------------------------------------------------------------------------------------

  // A cited number sorts by its full value; other cells by their leading number, else by their words.
  const key = (cell) => {
    const cited = cell.querySelector("data");
    if (cited) return Number(cited.value);
    const number = written(cell).replace(/\u2212/g, "-").replace(/[\u2009\u00a0]/g, "").match(/^-?\d+(\.\d+)?(e[-+]?\d+)?/);
    return number ? Number(number[0]) : NaN;
  };

  const inOrder = (rows, column) => {
    const keyed = rows.map((row, i) => ({ row, i, words: written(row.cells[column]), number: key(row.cells[column]) }));
    const filled = keyed.filter((one) => one.words && one.words !== "\u2013");
    const numeric = filled.length > 0 && filled.every((one) => !Number.isNaN(one.number));
    return keyed.sort((a, b) => (numeric ? a.number - b.number : a.words.localeCompare(b.words, "en")) || a.i - b.i);
  };

  const sortable = (table) => {
    const body = table.tBodies[0];
    const first = [...body.rows];
    const heads = cells(table.tHead.rows[0]);
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", className: "sort" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const now = { ascending: "descending", descending: "" }[head.getAttribute("aria-sort")] ?? "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (now) head.setAttribute("aria-sort", now);
        const blank = (row) => ["", "\u2013"].includes(written(row.cells[column]));
        const sorted = inOrder(first.filter((row) => !blank(row)), column).map((one) => one.row);
        if (now === "descending") sorted.reverse();
        body.append(...(now ? [...sorted, ...first.filter(blank)] : first)); // what is not stated comes last
      });
    });
  };

  // --- filtering -------------------------------------------------------------------------------------

  const filterable = (table) => {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < MANY) return;
    const name = table.caption ? written(table.caption) : table.getAttribute("aria-label") || "table";
    const box = make("input", { type: "search", className: "filter", placeholder: "Filter rows" });
    box.setAttribute("aria-label", `Filter rows: ${name}`);
    const none = make("p", { className: "legend", textContent: "" });
    none.setAttribute("role", "status");
    box.addEventListener("input", () => {
      const wanted = box.value.trim().toLowerCase();
      rows.forEach((row) => (row.hidden = !row.textContent.toLowerCase().includes(wanted)));
      none.textContent = rows.every((row) => row.hidden) ? "No row holds this." : "";
    });
    (table.closest(".scroll") || table).before(box);
    (table.closest(".scroll") || table).after(none);
  };

  // --- where a number comes from ---------------------------------------------------------------------

  const panel = document.getElementById("panel");
  const part = (name) => panel.querySelector(`[data-part="${name}"]`);
  const known = new Map();
  document.querySelectorAll("#numbers tbody tr").forEach((row) => known.set(written(row.cells[2]), row.cells));

  // The table of the effects that a question pools, as it stands on the page before its headings sort.
  const chains = new Map();
  document.querySelectorAll(".question [data-chain] table").forEach((table) => {
    const copy = table.cloneNode(true);
    copy.querySelectorAll("[id]").forEach((element) => element.removeAttribute("id"));
    chains.set(table.closest(".question").id.replace("q-", ""), copy);
  });
  // A number of one effect says itself how it was made; what is pooled rests on all of them.
  const chainOf = (id) => {
    const [question, stage] = id.split(".");
    return stage === "effects" ? undefined : chains.get(question);
  };

  const show = (number) => {
    const row = known.get(number.dataset.from);
    document.getElementById("panel-number").textContent = number.textContent;
    part("id").textContent = number.dataset.from;
    part("value").textContent = row ? written(row[1]) : number.value.replace(/^-/, "\u2212");
    part("made").textContent = row ? written(row[3]) : `k2meta trace ${number.dataset.from}`;
    const chain = chainOf(number.dataset.from);
    part("chain").replaceChildren(...(chain ? [chain] : []));
    part("chain").hidden = !chain;
    panel.showModal();
  };
  const pressed = (event) => event.key === "Enter" || event.key === " ";
  const act = (element, action) => {
    element.tabIndex = 0;
    element.setAttribute("role", "button");
    element.addEventListener("click", action);
    element.addEventListener("keydown", (event) => {
      if (!pressed(event)) return;
      event.preventDefault(); // the space bar would scroll the page
      action();
    });
  };
  document.querySelectorAll("data[data-from]").forEach((number) => {
    if (number.closest("a, summary, button, thead, #numbers")) return; // one of its own already, or a button that sorts
    act(number, () => show(number));
    number.setAttribute("aria-haspopup", "dialog");
  });
  panel.querySelector("button").addEventListener("click", () => panel.close());
  panel.addEventListener("click", (event) => event.target === panel && panel.close());

  // --- from a study to the estimate without it -------------------------------------------------------

  const without = (study) => {
    const question = study.closest(".question");
    const rows = question ? [...question.querySelectorAll("tr[data-without]")] : [];
    return rows.find((row) => row.dataset.without === study.dataset.study);
  };
  const pick = (row) => {
    document.querySelectorAll("[aria-current]").forEach((other) => other.removeAttribute("aria-current"));
    row.hidden = false;
    row.setAttribute("aria-current", "true");
    for (let up = row.closest("details"); up; up = up.parentElement.closest("details")) up.open = true;
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "center" });
  };
  document.querySelectorAll("tr[data-study]").forEach((study) => {
    const left = without(study);
    if (!left) return;
    const button = make("button", { type: "button", className: "study", title: "The estimate without this study" });
    button.append(...study.cells[0].childNodes);
    study.cells[0].append(button);
    study.classList.add("leads");
    button.addEventListener("click", () => pick(left));
    study.addEventListener("click", (event) => event.target.closest("button, data, a") || pick(left));
  });

  document.querySelectorAll("main table").forEach((table) => {
    if (!table.tHead || !table.tBodies[0] || table.tBodies[0].rows.length < 2) return;
    sortable(table);
    filterable(table);
  });
})();
