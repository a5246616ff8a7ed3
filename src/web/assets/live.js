// Keeps the part of the page that changes up to date: fetch, compare, replace. Rests while the page is hidden.
const live = document.querySelector("[data-live]");
const EVERY_MS = 2000;

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(live.dataset.live, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const content = await answer.text();
    document.body.classList.remove("is-late");
    // Reading selected text must not be interrupted.
    if (content !== live.innerHTML && getSelection().isCollapsed) live.innerHTML = content;
  } catch {
    document.body.classList.add("is-late");
  }
}

setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
