/* Interaction with the page: sorting, copying, comparing pictures in place. Everything can be read without this script. */
"use strict";
(function () {
    document.documentElement.classList.add("scripted");
    var say = document.getElementById("said");

    /* Sorting: a number of a cell is its data-v; a cell without one comes last in either direction. */
    function value(row, column) {
        var cell = row.cells[column], v = cell.getAttribute("data-v");
        return v === null ? (cell.hasAttribute("data-none") ? null : cell.textContent.trim()) : v === "" ? null : parseFloat(v);
    }
    function compare(a, b) {
        return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    }
    document.querySelectorAll("table.sorts").forEach(function (table) {
        var body = table.tBodies[0], first = Array.prototype.slice.call(body.rows);
        table.querySelectorAll("thead th button").forEach(function (button) {
            button.addEventListener("click", function () {
                var th = button.parentNode, column = th.cellIndex, was = th.getAttribute("aria-sort");
                var order = was === "ascending" ? "descending" : was === "descending" ? null : "ascending";
                table.querySelectorAll("thead th").forEach(function (other) { other.removeAttribute("aria-sort"); });
                if (order) th.setAttribute("aria-sort", order);
                first.map(function (row, i) { return { row: row, i: i, v: order ? value(row, column) : i }; }).sort(function (a, b) {
                    if (a.v === null || b.v === null) return a.v === b.v ? a.i - b.i : a.v === null ? 1 : -1;
                    return (order === "descending" ? compare(b.v, a.v) : compare(a.v, b.v)) || a.i - b.i;
                }).forEach(function (entry) { body.appendChild(entry.row); });
                say.textContent = order ? "sorted by " + button.textContent.trim() + ", " + order : "in the first order";
            });
        });
    });

    /* Copying. A page from a file may not have the clipboard's newer door. */
    function copied(done) { say.textContent = done ? "copied" : "could not be copied; select the text and copy it"; }
    function copy(text) {
        if (navigator.clipboard && window.isSecureContext) {
            navigator.clipboard.writeText(text).then(function () { copied(true); }, function () { copied(false); });
            return;
        }
        var area = document.createElement("textarea");
        area.value = text;
        document.body.appendChild(area);
        area.select();
        copied(document.execCommand("copy"));
        area.remove();
    }
    document.querySelectorAll("button[data-copy]").forEach(function (button) {
        button.addEventListener("click", function () { copy(document.getElementById(button.getAttribute("data-copy")).textContent); });
    });

    /* Boxes that a link goes into are opened. */
    function open() {
        var target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
        for (var at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
        if (target) target.scrollIntoView();
    }
    window.addEventListener("hashchange", open);
    open();

    /* Two variants in place: pointing at a strip, focusing it, or the key x, shows the one chosen for comparison over it. */
    document.querySelectorAll(".strips").forEach(function (strips) {
        var select = strips.parentNode.querySelector(".flip select");
        if (!select) return;
        function flip(strip, on) {
            var shown = strip.querySelector("img"), other = document.getElementById(select.value), over = strip.querySelector("img.over");
            if (on && other && other !== shown) {
                if (!over) {
                    over = document.createElement("img");
                    over.className = "over";
                    over.alt = "";
                    strip.appendChild(over);
                }
                over.src = other.src;
            }
            strip.classList.toggle("flipped", Boolean(on && other && other !== shown));
        }
        strips.querySelectorAll(".strip").forEach(function (strip) {
            strip.tabIndex = 0;
            strip.setAttribute("role", "group");
            strip.setAttribute("aria-label", "pictures; x shows the compared variant");
            strip.addEventListener("mouseenter", function () { flip(strip, true); });
            strip.addEventListener("mouseleave", function () { flip(strip, false); });
            strip.addEventListener("blur", function () { flip(strip, false); });
            strip.addEventListener("keydown", function (event) {
                if (event.key === "x") flip(strip, !strip.classList.contains("flipped"));
            });
        });
    });
})();
