/* What pages do beyond htmx: say that msyncd does not answer, and tick every entry. Everything works without it. */
(function () {
  "use strict";
  function offline(is) {
    var notice = document.getElementById("offline");
    if (notice) { notice.hidden = !is; }
  }
  document.addEventListener("htmx:sendError", function () { offline(true); });
  document.addEventListener("htmx:responseError", function () { offline(true); });
  document.addEventListener("htmx:afterOnLoad", function (event) {
    if (event.detail.successful) { offline(false); }
  });
  document.addEventListener("DOMContentLoaded", function () {
    var all = document.getElementById("tick-all");
    if (!all) { return; }
    all.hidden = false;
    all.addEventListener("change", function () {
      document.querySelectorAll("input[name='id']").forEach(function (box) { box.checked = all.checked; });
    });
  });
})();
