// Numbers, times and names as people read them.

const two = (n) => String(n).padStart(2, "0");

/** Microseconds since the epoch as UTC: `11-21 13:04:05`, with the year when it is not this one. */
export function time(us) {
  if (!us) return "";
  const at = new Date(us / 1000);
  const year = at.getUTCFullYear() === new Date().getUTCFullYear() ? "" : `${at.getUTCFullYear()}-`;
  const clock = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(":");
  return `${year}${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())} ${clock}`;
}

/** The same with milliseconds, the year and the zone. */
export const exactTime = (us) => (us ? new Date(us / 1000).toISOString().replace("T", " ").replace("Z", " UTC") : "");

/** Microseconds as a span: `350 µs`, `1.2 s`, `4 min`. */
export function span(us) {
  if (us < 1e3) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${trim(us / 1e3)} ms`;
  if (us < 60e6) return `${trim(us / 1e6)} s`;
  if (us < 3600e6) return `${Math.round(us / 60e6)} min`;
  if (us < 86400e6) return `${trim(us / 3600e6)} h`;
  return `${trim(us / 86400e6)} d`;
}

const trim = (n) => (n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2)).replace(/\.0+$/, "");

/** A whole number with thousands apart. */
export const count = (n) => (n === null || n === undefined ? "" : Math.round(n).toLocaleString("en"));

/** A number short enough for a cell: 1.2k, 3.4M. */
export function short(n) {
  const size = Math.abs(n);
  if (size >= 1e9) return `${trim(n / 1e9)}G`;
  if (size >= 1e6) return `${trim(n / 1e6)}M`;
  if (size >= 1e4) return `${trim(n / 1e3)}k`;
  if (size >= 100 || Number.isInteger(n)) return String(Math.round(n));
  return n === 0 ? "0" : Number(n.toPrecision(3)).toString();
}

/** Bytes, or what has another unit: `226 kB`. */
export const bytes = (n, unit = "B") => short(n).replace(/[kMG]?$/, (prefix) => ` ${prefix}${unit}`);

/** A probability: `0.97`. */
export const score = (p) => (p === null || p === undefined ? "" : p.toFixed(2));

/** A contribution with its sign. */
export const signed = (n) => `${Math.abs(n) < 5e-4 ? "±" : n < 0 ? "−" : "+"}${Math.abs(n).toFixed(3)}`;

const PROTOCOLS = { 1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 41: "IPv6", 47: "GRE", 50: "ESP", 58: "ICMPv6", 89: "OSPF", 132: "SCTP" };
export const protocol = (n) => PROTOCOLS[n] ?? `proto ${n}`;

/** `address:port`, brackets around IPv6, "many" when there is no single one. */
export function endpoint(ip, port) {
  if (!ip) return port ? `many :${port}` : "many";
  const host = port && ip.includes(":") ? `[${ip}]` : ip;
  return port ? `${host}:${port}` : host;
}

const FLAGS = "FSRPAUEC";
/** Flags seen, with how often: `S1 A14 F1`. */
export const flags = (counts) => [...FLAGS].map((f, i) => (counts[i] ? `${f}${counts[i]}` : "")).filter(Boolean).join(" ");

export const CATEGORIES = ["scan", "dos", "bruteforce", "web", "c2", "exfiltration", "tunnel", "amplification", "spread"];

/** MITRE ATT&CK (Enterprise): the technique that a category is closest to. */
const TECHNIQUES = {
  scan: ["T1046", "Network Service Discovery", "Discovery"],
  dos: ["T1498", "Network Denial of Service", "Impact"],
  bruteforce: ["T1110", "Brute Force", "Credential Access"],
  web: ["T1190", "Exploit Public-Facing Application", "Initial Access"],
  c2: ["T1071", "Application Layer Protocol", "Command and Control"],
  exfiltration: ["T1048", "Exfiltration Over Alternative Protocol", "Exfiltration"],
  tunnel: ["T1572", "Protocol Tunneling", "Command and Control"],
  amplification: ["T1498.002", "Reflection Amplification", "Impact"],
  spread: ["T1210", "Exploitation of Remote Services", "Lateral Movement"],
};

export function technique(category) {
  const known = TECHNIQUES[category];
  return known ? `${known[0]} ${known[1]} (${known[2]})` : null;
}

const UNITS = { us: span, bytes, rate: (n) => `${short(n)}/s`, packets: short, "bytes/s": (n) => bytes(n, "B/s") };
function unit(feature) {
  if (feature.includes("Bytes/s")) return "bytes/s";
  if (feature.includes("/s")) return "rate";
  if (feature.includes("Length")) return "bytes";
  if (feature.includes("Duration") || feature.includes("IAT")) return "us";
  return "packets";
}

/** The value of a feature in its unit. */
export const featureValue = (name, value) => UNITS[unit(name)](value);
