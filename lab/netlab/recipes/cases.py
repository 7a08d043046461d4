"""The small committed captures of `tests/pcaps`: one recipe a case, in a fixed town, a minute or so each."""

import random

from ..activities import attack_flood as flood
from ..activities import attack_guess as guessing
from ..activities import attack_hidden as hidden
from ..activities import attack_scan as scanning
from ..activities import attack_spread as spreading
from ..activities import attack_web
from ..activities import benign_shell as shell
from ..activities import benign_small as small
from ..activities import benign_web as web
from ..capture import Tap
from .town import town

SMALL_SITE = {"pages": 12, "big_bytes": (60_000, 400_000), "scale": 0.3}


def benign_browsing(seed):
    """People and programs on web servers: HTTP/1.1, TLS, HTTP/2, an API, a health check."""
    plan = town("benign-browsing", seed, 75, Tap("pcap.gz", 192), {"www": ["nginx"], "far": ["nginx"], "infra": ["dnsmasq"]}, SMALL_SITE)
    rng = random.Random(f"browsing/{seed}")
    plan.add(0, 65, web.browse(rng, plan, "user1", "www", "http", "1.5,8"))
    plan.add(1, 60, web.browse(rng, plan, "user2", "www", "https", "1.5,8"))
    plan.add(2, 60, web.browse(rng, plan, "desk1", "far", "https", "1,7"))
    plan.add(3, 40, web.curl_pages(rng, plan, "user3", "www", "https"))
    plan.add(4, 50, web.poll(rng, plan, "user3", "www", "http"))
    plan.add(5, 50, web.health(rng, plan, "desk2", "far"))
    return plan


def benign_ssh(seed):
    """SSH: people typing, scripted commands, small copies, a mistyped password, a session left open."""
    plan = town("benign-ssh", seed, 95, Tap("pcap.gz", 256), {"shell": ["sshd"], "far": ["sshd"]})
    rng = random.Random(f"ssh/{seed}")
    plan.add(0, 80, shell.typing(rng, plan, "user1", "shell", False))
    plan.add(2, 75, shell.typing(rng, plan, "desk1", "far", True))
    plan.add(3, 60, shell.commands(rng, plan, "user3", "shell"))
    plan.add(6, 40, shell.copies(rng, plan, "user2", "shell", 60_000))
    plan.add(10, 40, shell.mistyped(rng, plan, "user2", "shell"))
    plan.add(1, 85, shell.idle_shell(rng, plan, "desk2", "far"))
    return plan


def benign_dns(seed):
    """DNS: answered, refused by name, over TCP, and some questions that nobody answers."""
    plan = town("benign-dns", seed, 58, Tap("pcap", 0, nanoseconds=True), {"infra": ["dnsmasq"]})
    rng = random.Random(f"dns/{seed}")
    for client, every in (("user1", 0.6), ("user2", 1.2), ("user3", 0.35)):
        plan.add(0, 50, small.lookups(rng, plan, client, "infra", every))
    plan.add(2, 48, small.deaf_lookups(rng, plan, "user3", "quiet"))
    return plan


def benign_bulk(seed):
    """Large transfers both ways: HTTP, TLS, scp, FTP, a paced stream, iperf3; packets cut at 128 bytes."""
    plan = town("benign-bulk", seed, 45, Tap("pcapng.zst", 128), {"www": ["nginx"], "shell": ["sshd", "vsftpd"], "infra": ["iperf3"]},
                {"pages": 4, "big_bytes": (300_000, 2_500_000)})
    rng = random.Random(f"bulk/{seed}")
    plan.add(0, 30, web.download(rng, plan, "user1", "www", "https", "2M"))
    plan.add(1, 30, web.upload(rng, plan, "user3", "www", "http", 2_000_000))
    plan.add(2, 30, web.stream(rng, plan, "user2", "www"))
    plan.add(3, 30, shell.copies(rng, plan, "user3", "shell", 1_500_000))
    plan.add(3, 30, shell.ftp(rng, plan, "user1", "shell"))
    plan.add(5, 14, small.measure(rng, plan, "user3", "infra"))
    return plan


def calm(plan, rng, until_s):
    """A calm mix of everything benign, for the two demo captures."""
    add = plan.add
    add(0, until_s - 4, web.browse(rng, plan, "user1", "www", "https", "1.5,9"))
    add(2, until_s - 8, web.browse(rng, plan, "user2", "www", "http", "2,12"))
    add(4, until_s - 8, web.browse(rng, plan, "desk1", "far", "https", "2,10"))
    add(6, until_s * 0.5, web.curl_pages(rng, plan, "user3", "www"))
    add(1, until_s - 5, web.poll(rng, plan, "user3", "www", "http"))
    add(3, until_s - 6, web.health(rng, plan, "desk2", "far"))
    add(until_s * 0.3, 20, web.download(rng, plan, "user1", "www", "https", "300K"))
    add(until_s * 0.5, 12, web.upload(rng, plan, "user3", "www", "http", 200_000))
    add(until_s * 0.2, 30, web.private_pages(rng, plan, "user2", "www"))
    add(8, until_s - 14, shell.typing(rng, plan, "user1", "shell", False))
    add(12, until_s * 0.6, shell.commands(rng, plan, "user3", "shell"))
    add(until_s * 0.4, 30, shell.mistyped(rng, plan, "user2", "shell"))
    add(until_s * 0.55, 25, shell.copies(rng, plan, "user1", "shell", 60_000))
    add(2, until_s - 10, shell.idle_shell(rng, plan, "desk2", "far"))
    add(until_s * 0.25, 40, shell.ftp(rng, plan, "user3", "shell"))
    add(0, until_s - 5, small.lookups(rng, plan, "user1", "infra", 1.5))
    add(3, until_s - 8, small.lookups(rng, plan, "user3", "infra", 2.5))
    add(until_s * 0.3, 20, small.deaf_lookups(rng, plan, "user2", "quiet"))
    add(5, until_s - 9, small.clock(rng, plan, "user2", "infra"))
    add(until_s * 0.15, until_s * 0.4, small.ping(rng, plan, "user1", "infra"))
    add(7, until_s * 0.5, small.cache(rng, plan, "user3", "infra"))
    add(9, until_s * 0.6, small.sensors(rng, plan, "user3", "infra"))
    add(until_s * 0.1, until_s * 0.7, small.mail(rng, plan, "user2", "infra"))
    add(until_s * 0.45, 15, small.call(rng, plan, "user1", "infra"))
    add(4, until_s - 10, small.telling(rng, plan, "user2", "infra"))
    add(until_s * 0.35, 20, web.wrong_door(rng, plan, "user3", "shell"))
    add(until_s * 0.6, 15, web.wrong_door(rng, plan, "user2", "quiet"))


def benign_mixed(seed):
    """A calm office for three minutes: everything benign at once, nothing else."""
    plan = town("benign-mixed", seed, 185, Tap("pcap.zst", 128), settings=SMALL_SITE)
    calm(plan, random.Random(f"mixed/{seed}"), 180)
    return plan


def scan_syn(seed):
    """nmap -sS of 1000 ports, with a little browsing beside it."""
    plan = town("scan-syn", seed, 40, Tap("pcap.gz"), {"www": ["nginx"], "shell": ["sshd", "vsftpd"]}, SMALL_SITE)
    plan.add(3, 25, scanning.nmap(plan, "evil1", ["shell"], "-sS", "-T4"))
    plan.add(0, 30, web.health(random.Random(f"scan/{seed}"), plan, "user1", "www"))
    return plan


def scan_connect(seed):
    """nmap -sT of the 200 likeliest ports of two hosts, one of which never answers."""
    plan = town("scan-connect", seed, 60, Tap("pcapng"), {"www": ["nginx"]}, SMALL_SITE)
    plan.add(2, 50, scanning.nmap(plan, "evil2", ["www", "quiet"], "-sT", "--top-ports", "200", "-T4"))
    return plan


def scan_udp(seed):
    """nmap -sU of the 100 likeliest ports: ICMP errors at the rate a Linux host sends them, and silence."""
    plan = town("scan-udp", seed, 130, Tap("pcap.gz", nanoseconds=True), {"infra": ["dnsmasq", "chrony", "snmpd"]})
    plan.add(2, 120, scanning.nmap(plan, "evil1", ["infra"], "-sU", "--top-ports", "100", "-T4", "--max-retries", "1"))
    plan.add(0, 60, small.lookups(random.Random(f"scan/{seed}"), plan, "user1", "infra", 2.0))
    return plan


def flood_syn(seed):
    """hping3 SYN flood from random sources: 12,000 packets, most of them flows of their own, on one web server; people beside it."""
    plan = town("flood-syn", seed, 45, Tap("pcap.zst", 96), {"www": ["nginx"], "infra": ["dnsmasq"]}, SMALL_SITE)
    plan.host("www").sysctl = {"net.ipv4.tcp_synack_retries": "1"}
    rng = random.Random(f"flood/{seed}")
    plan.add(5, 30, flood.spoofed(plan, "evil1", "www", 80, "syn", 900, 12_000))
    plan.add(0, 40, web.poll(rng, plan, "user1", "www", "https"))
    plan.add(0, 40, small.lookups(rng, plan, "user3", "infra", 1.5))
    return plan


def flood_udp(seed):
    """hping3 UDP flood over many ports, then on one port from one source port."""
    plan = town("flood-udp", seed, 40, Tap("pcap.zst", 96), {"infra": ["dnsmasq", "talk"]})
    plan.add(3, 15, flood.plain(plan, "evil1", "infra", "++1", "udp", 1500, 5_000, "-d", 64))
    plan.add(22, 12, flood.plain(plan, "evil2", "infra", 4000, "udp", 1500, 4_000, "-d", 400, "-s", 5555, "-k"))
    plan.add(0, 36, small.lookups(random.Random(f"flood/{seed}"), plan, "user1", "infra", 1.0))
    return plan


def flood_http(seed):
    """HTTP floods by ab, a script, and ab over TLS, on one web server; a person browses beside them."""
    plan = town("flood-http", seed, 45, Tap("pcap.zst", 128), {"www": ["nginx"]}, {"pages": 2, "big_bytes": (20_000, 60_000)})
    plan.add(4, 10, flood.ab(plan, "evil1", "www", 80, 1200, 20, False, "/healthz"))
    plan.add(18, 8, flood.odd_http(plan, "evil2", "www", 8080, 6, 15, 3, 0.15))
    plan.add(30, 6, flood.ab(plan, "evil2", "www", 443, 150, 10, False, "/healthz"))
    plan.add(0, 40, web.browse(random.Random(f"flood/{seed}"), plan, "user1", "www", "http", "1,4"))
    return plan


def slow_http(seed):
    """slowhttptest: headers that never end, bodies that drip, answers never read."""
    plan = town("slow-http", seed, 95, Tap("pcap.zst", 128), {"www": ["nginx"]}, {"header_timeout_s": 20, **SMALL_SITE})
    plan.add(2, 32, flood.slow(plan, "evil1", "www", 80, "-H", 28, 60, 20, 4))
    plan.add(32, 30, flood.slow(plan, "evil2", "www", 8080, "-B", 25, 60, 20, 4))
    plan.add(62, 28, flood.slow(plan, "evil1", "www", 80, "-X", 22, 60, 20, 4))
    plan.add(0, 88, web.browse(random.Random(f"slow/{seed}"), plan, "user1", "www", "https", "3,9"))
    return plan


def bruteforce_ssh(seed):
    """hydra on SSH, sixteen at once; then patator, one at a time; a person works beside it."""
    plan = town("bruteforce-ssh", seed, 80, Tap("pcap.zst", 256), {"shell": ["sshd"]}, {"pam": False, "tries": 3})
    plan.add(3, 40, guessing.guess(plan, "evil2", "shell", "ssh", "hydra", 120, 16))
    plan.add(48, 25, guessing.guess(plan, "evil1", "shell", "ssh", "patator", 40, 1))
    plan.add(0, 70, shell.typing(random.Random(f"brute/{seed}"), plan, "user1", "shell", True))
    return plan


def bruteforce_ftp(seed):
    """hydra on FTP, four at once; then medusa; a person fetches files beside it."""
    plan = town("bruteforce-ftp", seed, 75, Tap("pcap.gz", 0), {"shell": ["vsftpd"]}, {"size_exponent": 2})
    plan.add(3, 35, guessing.guess(plan, "evil1", "shell", "ftp", "hydra", 60, 4))
    plan.add(42, 28, guessing.guess(plan, "evil2", "shell", "ftp", "medusa", 20, 2))
    plan.add(0, 65, shell.ftp(random.Random(f"brute/{seed}"), plan, "user3", "shell"))
    return plan


def attack_day(seed):
    """A calm office, and in it a scan, an SSH brute force, a SYN flood, an HTTP flood and slow HTTP."""
    plan = town("attack-day", seed, 250, Tap("pcap.zst", 96), settings={"header_timeout_s": 30, "pam": False, "tries": 3, **SMALL_SITE})
    plan.host("www").sysctl = {"net.ipv4.tcp_synack_retries": "1"}
    calm(plan, random.Random(f"day/{seed}"), 240)
    plan.add(30, 20, scanning.nmap(plan, "evil1", ["shell"], "-sS", "-T4"))
    plan.add(60, 45, guessing.guess(plan, "evil2", "shell", "ssh", "hydra", 100, 16))
    plan.add(115, 12, flood.spoofed(plan, "evil1", "www", 80, "syn", 1000, 6_000))
    plan.add(160, 10, flood.ab(plan, "evil2", "www", 80, 800, 20, False, "/healthz"))
    plan.add(185, 40, flood.slow(plan, "evil2", "www", 8080, "-H", 34, 80, 20, 5))
    return plan


def web_attack(seed):
    """sqlmap, gobuster and a crawler-scanner on a careless web shop; people on the web server beside it."""
    plan = town("web-attack", seed, 80, Tap("pcap.zst", 128), {"www": ["nginx", "shop"]}, SMALL_SITE)
    plan.add(3, 20, attack_web.sqlmap(plan, "evil1", "www", "/item?id=1", 4, 0))
    plan.add(30, 15, attack_web.discover(plan, "evil2", "www", "gobuster", 400, 4, 20))
    plan.add(34, 20, attack_web.prober(plan, "evil1", "www", "0,0.2", 2, True))
    rng = random.Random(f"web/{seed}")
    plan.add(0, 70, web.browse(rng, plan, "user1", "www", "http", "1.5,8"))
    plan.add(1, 70, web.poll(rng, plan, "user3", "www", "http"))
    return plan


def c2_beacon(seed):
    """An infected host calls home: HTTPS each 4 s, then bare TCP each 2 s, then DNS each 3 s, with jitter; benign polling beside it."""
    plan = town("c2-beacon", seed, 235, Tap("pcap.zst", 128), {"lair": ["lair"], "far": ["nginx"], "infra": ["dnsmasq"]}, SMALL_SITE)
    plan.add(2, 100, hidden.beacon(plan, "bot", "lair", "https", 4.0, 0.1))
    plan.add(110, 50, hidden.beacon(plan, "bot", "lair", "tcp", 2.0, 0.05, size=24, chatty=0.0))
    plan.add(168, 60, hidden.beacon(plan, "bot", "lair", "dns", 3.0, 0.2))
    rng = random.Random(f"c2/{seed}")
    plan.add(0, 225, web.browse(rng, plan, "desk1", "far", "https", "3,15"))
    plan.add(1, 220, web.health(rng, plan, "desk2", "far"))
    plan.add(1, 220, small.lookups(rng, plan, "user1", "infra", 3.0))
    return plan


def exfiltration(seed):
    """Data leaves over HTTPS in pieces, by scp, inside DNS names and inside echo requests; honest downloads and copies beside it."""
    plan = town("exfiltration", seed, 120, Tap("pcap.zst", 96), {"lair": ["lair", "nginx", "sshd"], "far": ["nginx", "sshd"]}, SMALL_SITE)
    plan.add(2, 25, hidden.upload(plan, "bot", "lair", 3_000_000, "", 8, 1.5))
    plan.add(36, 15, hidden.copy_out(plan, "bot", "lair", 1_500_000))
    plan.add(60, 25, hidden.smuggle(plan, "exfiltration", "bot", "lair", "dns", 110, 6, 0.02, 0.1))
    plan.add(95, 16, hidden.smuggle(plan, "exfiltration", "bot", "lair", "icmp", 1200, 0, 0.02, 0.1))
    rng = random.Random(f"exfil/{seed}")
    plan.add(0, 100, web.download(rng, plan, "desk1", "far", "https", "300K"))
    plan.add(3, 100, shell.copies(rng, plan, "desk2", "far", 60_000))
    return plan


def dns_tunnel(seed):
    """iodine carries IP inside DNS (TXT, then NULL records), then a script does so in its own way; people's lookups beside it."""
    plan = town("dns-tunnel", seed, 125, Tap("pcap.zst", 160), {"burrow": ["iodined", "nginx", "sshd"], "lair": ["lair"], "infra": ["dnsmasq"]}, SMALL_SITE)
    plan.add(2, 35, hidden.iodine(plan, "bot", "burrow", "TXT", "-m", "300"))
    plan.add(46, 30, hidden.iodine(plan, "bot", "burrow", "NULL"))
    plan.add(84, 30, hidden.smuggle(plan, "tunnel", "bot", "lair", "dns", 60, 200, 0.05, 0.4))
    rng = random.Random(f"tunnel/{seed}")
    plan.add(0, 115, small.lookups(rng, plan, "user1", "infra", 1.5))
    plan.add(0, 115, small.lookups(rng, plan, "user3", "infra", 0.8))
    return plan


def amplification(seed):
    """Answers of DNS, NTP and SSDP reflectors to hosts that never asked; then real DNS and SNMP servers of the site, asked in another's name."""
    plan = town("amplification", seed, 90, Tap("pcap.zst"), {"infra": ["dnsmasq", "snmpd", "chrony"], "www": ["nginx"]}, SMALL_SITE)
    plan.add(2, 12, spreading.answers(plan, "evil1", "www", "dns", 250, 40, "45.83.0.0/16"))
    plan.add(22, 12, spreading.answers(plan, "evil2", "desk2", "ntp", 300, 8, "185.6.0.0/16"))
    plan.add(42, 10, spreading.answers(plan, "evil1", "www", "ssdp", 120, 60, "77.12.0.0/16"))
    plan.add(58, 12, spreading.questions(plan, "evil1", "prey", "dns", 150, ["infra"]))
    plan.add(76, 9, spreading.questions(plan, "evil1", "prey", "snmp", 60, ["infra"]))
    rng = random.Random(f"amplify/{seed}")
    plan.add(0, 80, small.lookups(rng, plan, "user1", "infra", 0.8))
    plan.add(0, 80, small.clock(rng, plan, "user3", "infra"))
    return plan


def spread(seed):
    """An infected host looks for others: SMB at 30 attempts/s, then several ports slowly, with exploit attempts where one opens; browsing beside it."""
    plan = town("spread", seed, 100, Tap("pcap.zst", 128), {"far": ["nginx", "sshd"], "lair": ["lair", "nginx"], "infra": ["dnsmasq"]}, SMALL_SITE)
    plan.add(2, 35, spreading.worm(plan, "bot", "198.51.100.0/24", "445", 30, 16))
    plan.add(48, 40, spreading.worm(plan, "bot", "198.18.5.0/24", "80,22,23", 16, 16, "lair"))
    rng = random.Random(f"spread/{seed}")
    plan.add(0, 90, web.browse(rng, plan, "desk1", "far", "https", "2,8"))
    plan.add(0, 90, small.lookups(rng, plan, "user1", "infra", 2.0))
    return plan


CASES = {make.__name__.replace("_", "-"): make for make in (
    benign_browsing, benign_ssh, benign_dns, benign_bulk, benign_mixed, scan_syn, scan_connect, scan_udp, flood_syn, flood_udp,
    flood_http, slow_http, bruteforce_ssh, bruteforce_ftp, attack_day, web_attack, c2_beacon, exfiltration, dns_tunnel, amplification, spread)}
