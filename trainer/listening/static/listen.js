// One sound at a time, one volume for all; a clip is rated after it was played; a form is sent once. The pages work
// without this script too: the server stores an answer once whatever is sent.
"use strict";
(function () {
  const players = Array.from(document.querySelectorAll("audio"));
  const judged = document.querySelector('audio[data-role="judged"]');
  const rating = document.querySelector("form[data-rating]");
  const unheard = document.getElementById("unheard");
  const kept = Number(sessionStorage.getItem("volume"));
  let plays = 0;

  for (const player of players) {
    if (kept > 0 && kept <= 1) player.volume = kept;
    player.addEventListener("play", function () {
      for (const other of players) if (other !== player) other.pause();
    });
    player.addEventListener("volumechange", function () {
      sessionStorage.setItem("volume", String(player.volume));
      for (const other of players) if (other.volume !== player.volume) other.volume = player.volume;
    });
  }
  if (judged) {
    judged.addEventListener("playing", function () {
      // Once from its beginning: going on after a pause is no second play.
      if (judged.currentTime < 0.5) plays += 1;
      if (plays === 0) plays = 1;
      unheard.hidden = true;
    });
    judged.addEventListener("error", function () {
      unheard.textContent = "The clip could not be loaded: load this page again, then play and rate it.";
      unheard.hidden = false;
    });
  }
  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", function (event) {
      if (form === rating && plays === 0) {
        event.preventDefault();
        unheard.hidden = false;
        judged.focus();
        return;
      }
      if (form === rating) form.elements.plays.value = String(plays);
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
  }
  // Coming back by the browser's button shows the page as it was left: ask the server where one is.
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) window.location.reload();
  });
})();
