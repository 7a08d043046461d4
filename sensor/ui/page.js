// The shell of the page: log in, see the newest incidents, follow the feed.
const part = (id) => document.getElementById(id);

const ask = (path, options) => fetch(path, { credentials: "same-origin", ...options });

async function showIncidents() {
  const answer = await ask("/api/v1/incidents?limit=50");
  if (!answer.ok) return;
  const rows = (await answer.json()).items.map((incident) => {
    const row = document.createElement("tr");
    const cells = [incident.severity, incident.category, incident.src_ip ?? "many", incident.dst_ip ?? "many", incident.detections];
    // textContent: what the network said stays text.
    for (const value of cells) row.appendChild(document.createElement("td")).textContent = value;
    return row;
  });
  part("incidents").replaceChildren(...rows);
}

async function start() {
  const answer = await ask("/api/v1/session");
  part("login").hidden = answer.ok;
  part("inside").hidden = !answer.ok;
  if (!answer.ok) return;
  const { subject, role } = await answer.json();
  part("who").textContent = `${subject} (${role})`;
  await showIncidents();
  new EventSource("/api/v1/events?types=incident").addEventListener("incident", showIncidents);
}

part("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = JSON.stringify({ token: part("token").value });
  const answer = await ask("/token", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  part("refused").textContent = answer.ok ? "" : (await answer.json()).detail;
  if (answer.ok) start();
});

part("leave").addEventListener("click", async () => {
  await ask("/token", { method: "DELETE" });
  location.reload();
});

start();
