// Two things that need a script: times in the reader's zone, and regions that follow the server.
(() => {
  const times = (root) => root.querySelectorAll("time[datetime]").forEach((time) => {
    const at = new Date(time.dateTime);
    if (time.title || isNaN(at)) return;
    time.title = time.textContent;
    time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  });
  const follow = (region) => {
    const started = Date.now();
    let tag = "", failures = 0, timer;
    const say = (text) => {
      const line = document.getElementById("live-status");
      if (line) line.textContent = text;
    };
    const next = () => {
      const age = Date.now() - started;
      const wait = age < 60000 ? 2000 : age < 300000 ? 5000 : 15000;
      timer = setTimeout(look, Math.min(60000, wait * 2 ** failures));
    };
    const look = async () => {
      timer = 0;
      // A hidden page sends nothing.
      if (document.visibilityState !== "visible") return;
      try {
        const answer = await fetch(region.dataset.live, { headers: { "if-none-match": tag }, cache: "no-store" });
        if (answer.status === 401) return say("Reload to sign in again.");
        if (!answer.ok && answer.status !== 304) throw new Error(answer.status);
        if (answer.status === 200) {
          tag = answer.headers.get("etag") || "";
          region.innerHTML = await answer.text();
          times(region);
        }
        failures = 0;
        say("");
        if (answer.headers.get("x-live") === "done") return region.removeAttribute("data-live");
      } catch {
        failures = Math.min(failures + 1, 5);
        say("Not updated since " + new Date().toLocaleTimeString() + ". Trying again.");
      }
      next();
    };
    document.addEventListener("visibilitychange", () => {
      if (!timer && region.dataset.live && document.visibilityState === "visible") look();
    });
    next();
  };
  times(document);
  document.querySelectorAll("[data-live]").forEach(follow);
})();
