// Runs before the first paint, so that a chosen theme does not flash. "auto" follows the system.
(() => {
  let kept = null;
  try { kept = localStorage.getItem("taphound-theme"); } catch { /* private windows may refuse */ }
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
})();
