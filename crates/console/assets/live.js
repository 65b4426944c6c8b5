// Keeps a page live: fetches it again every two seconds and puts the new main part in place of the old one.
// Stops while the reader selects text, has a detail open or the page is hidden; says so when the server is gone.
"use strict";
(() => {
  const status = document.getElementById("live");
  const busy = () =>
    document.hidden || document.querySelector("main details[open]") !== null ||
    document.activeElement?.closest("main form") != null || String(document.getSelection() ?? "") !== "";
  const say = (text) => { if (status && status.textContent !== text) status.textContent = text; };
  const refresh = async () => {
    if (busy()) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) { say("not live"); return; }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      const shown = document.querySelector("main");
      if (fresh && shown && !busy() && fresh.innerHTML !== shown.innerHTML) {
        // Who reads by keyboard stays where they are: at the same link, else at the same stop of the page.
        const stops = () => [...shown.querySelectorAll("a[href], button, input, summary, [tabindex='0']")];
        const at = stops().indexOf(document.activeElement), href = document.activeElement?.getAttribute("href");
        shown.innerHTML = fresh.innerHTML;
        if (at >= 0) {
          const again = stops();
          (again.find((stop) => href !== null && stop.getAttribute("href") === href) ?? again[at])?.focus({ preventScroll: true });
        }
      }
      say("live");
    } catch { say("not live: the server does not answer"); }
  };
  setInterval(refresh, 2000);
})();
