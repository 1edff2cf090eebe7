// The badge that says whether the page is live. Everything else works without this file.
(() => {
  const badge = document.getElementById("live");
  if (!badge) return;
  const say = (word) => {
    badge.hidden = false;
    badge.textContent = word;
    badge.dataset.state = word;
  };
  let unsure = "connecting";
  say(unsure);
  document.addEventListener("htmx:sse:after:connection", () => {
    say("live");
    unsure = "reconnecting"; // Whoever has seen a live page must see that it no longer is.
  });
  document.addEventListener("htmx:sse:error", () => say("reconnecting"));
  document.addEventListener("htmx:sse:before:connection", () => say(unsure));
  document.addEventListener("htmx:sse:close", () => say("reconnecting"));
  document.addEventListener("visibilitychange", () => document.hidden && say("paused"));
})();
