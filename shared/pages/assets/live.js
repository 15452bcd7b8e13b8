// Times in the reader's zone, and regions that follow the server.
(() => {
  const get = (id) => document.getElementById(id);
  const visible = () => document.visibilityState === "visible";
  const times = (root) => root.querySelectorAll("time[datetime]").forEach((time) => {
    if (time.title) return;
    time.title = time.textContent;
    time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  });
  const say = (text) => { get("live-status").textContent = text; };
  const follow = (region) => {
    const started = Date.now();
    let tag = "", failures = 0, timer;
    const next = () => {
      const age = Date.now() - started;
      const wait = age < 6e4 ? 2e3 : age < 3e5 ? 5e3 : 15e3;
      timer = setTimeout(look, Math.min(6e4, wait * 2 ** failures));
    };
    const look = async () => {
      timer = 0;
      // A hidden page sends nothing.
      if (!visible()) return;
      try {
        const answer = await fetch(region.dataset.live, { headers: { "if-none-match": tag }, cache: "no-store" });
        const said = (name) => answer.headers.get(name);
        if (answer.status === 401) return say("Reload to sign in again.");
        if (!answer.ok && answer.status !== 304) throw answer;
        if (answer.ok) {
          tag = said("etag") || "";
          region.innerHTML = await answer.text();
          times(region);
        }
        if (said("x-balance")) get("balance").textContent = said("x-balance");
        failures = 0;
        say("");
        if (said("x-live") === "done") return region.removeAttribute("data-live");
      } catch {
        failures = Math.min(failures + 1, 5);
        say("Not updated since " + new Date().toLocaleTimeString() + ". Trying again.");
      }
      next();
    };
    document.addEventListener("visibilitychange", () => {
      if (!timer && region.dataset.live && visible()) look();
    });
    next();
  };
  times(document);
  document.querySelectorAll("[data-live]").forEach(follow);
})();
