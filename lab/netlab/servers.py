"""Real servers, each from a private folder with a configuration of its own, as ordinary processes in a host.

`SERVICES` maps a name to a function `(site: Servers, host, settings)` that writes the configuration and starts it.
Users of the shell and FTP servers exist only in the passwd file that `etc_files` lays over their host's /etc.
"""

import glob
import os
import shutil
import sys

from .content import make_site
from .programs import ask

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
USERS = {"alice": "correct-horse-7", "bob": "blue-Harbour-22", "deploy": "s3cret-Deploy", "carol": "sunny-Meadow-4"}
FIRST_UID = 20001


def etc_files(run_dir):
    """passwd, shadow and group files with the lab's users; their homes lie below `run_dir`."""
    passwd, shadow, group = (open(f"/etc/{name}").read() for name in ("passwd", "shadow", "group"))
    for number, (user, password) in enumerate(USERS.items()):
        uid, home = FIRST_UID + number, f"{run_dir}/home/{user}"
        os.makedirs(f"{home}/.ssh", exist_ok=True)
        for path in (home, f"{home}/.ssh"):
            os.chown(path, uid, uid)
        passwd += f"{user}:x:{uid}:{uid}::{home}:/bin/bash\n"
        group += f"{user}:x:{uid}:\n"
        shadow += f"{user}:{ask('openssl', 'passwd', '-6', password).strip()}:19000:0:99999:7:::\n"
    return {"passwd": passwd, "shadow": shadow, "group": group}


class Servers:
    """Starts the servers of one run."""

    def __init__(self, network, programs, run_dir, rng):
        self.network, self.programs, self.run_dir, self.rng = network, programs, run_dir, rng
        self.sites = {}

    def start(self, host, service, settings):
        """Starts `service` on `host`."""
        SERVICES[service](self, host, settings)

    def folder(self, host, service):
        """A folder for one service of one host."""
        path = f"{self.run_dir}/{host}-{service}"
        os.makedirs(path, exist_ok=True)
        return path

    def launch(self, host, argv, log, **options):
        """Starts a server that logs into the run's folder."""
        return self.programs.start(self.network.netns(host), argv, out=f"{host}-{log}.log", **options)

    def serve_script(self, host, script, *arguments):
        """Starts one of the lab's own small servers."""
        self.launch(host, [sys.executable, f"{CLIENTS}/{script}", *arguments], script.split(".")[0])


def nginx(site, host, settings):
    """HTTP/1.1 on 80 and 8080, TLS with HTTP/2 on 443, PUT into /put/, waits under /wait/N, a closed /private/."""
    folder = site.folder(host, "nginx")
    root = f"{folder}/root"
    site.sites[host] = make_site(site.rng, root, settings.get("pages", 24), settings.get("big_bytes", (200_000, 8_000_000)),
                                 settings.get("scale", 1.0))
    os.makedirs(f"{root}/put", exist_ok=True)
    os.makedirs(f"{root}/private", exist_ok=True)
    shutil.copy(f"{root}/index.html", f"{root}/private/index.html")
    ask("openssl", "req", "-x509", "-newkey", settings.get("key", "rsa:2048"), "-nodes", "-days", "30", "-subj", f"/CN={host}",
        "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem",
        *(["-pkeyopt", "ec_paramgen_curve:P-256"] if settings.get("key") == "ec" else []))
    with open(f"{folder}/users", "w") as file:
        for user, password in USERS.items():
            file.write(f"{user}:{ask('openssl', 'passwd', '-apr1', password).strip()}\n")
    with open(f"{folder}/nginx.conf", "w") as file:
        file.write(f"""
load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;
user root; daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections {settings.get('connections', 768)}; }}
http {{
  types {{ text/html html; text/css css; application/javascript js; image/png png; application/json json; }}
  access_log off; sendfile on; server_tokens on; gzip {'on' if settings.get('gzip') else 'off'};
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; client_max_body_size 300m;
  keepalive_timeout {settings.get('keepalive_s', 65)}; keepalive_requests {settings.get('keepalive_requests', 1000)};
  client_header_timeout {settings.get('header_timeout_s', 60)}; client_body_timeout {settings.get('header_timeout_s', 60)};
  server {{
    listen 80; listen 8080; listen [::]:80; listen [::]:8080; listen 443 ssl http2; listen [::]:443 ssl http2;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    root {root}; autoindex on;
    location /put/ {{ dav_methods PUT DELETE; create_full_put_path on; }}
    location /private/ {{ auth_basic "staff"; auth_basic_user_file {folder}/users; }}
    location = /old {{ return 302 /index.html; }}
    location ~ ^/wait/(?<wait_s>[0-9.]+)$ {{ echo_sleep $wait_s; echo done; }}
  }}
}}
""")
    site.launch(host, ["nginx", "-c", f"{folder}/nginx.conf", "-p", folder], "nginx")


def sshd(site, host, settings):
    """OpenSSH with passwords on port 22; PAM (and with it the pause after a wrong password) as the settings say."""
    folder = site.folder(host, "sshd")
    os.makedirs("/run/sshd", exist_ok=True)
    ask("ssh-keygen", "-q", "-t", settings.get("host_key", "ed25519"), "-N", "", "-f", f"{folder}/host_key")
    key = f"{site.run_dir}/user_key"
    if not os.path.exists(key):
        ask("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        for user in USERS:
            shutil.copy(f"{key}.pub", f"{site.run_dir}/home/{user}/.ssh/authorized_keys")
    with open(f"{folder}/config", "w") as file:
        file.write(f"""
Port 22
HostKey {folder}/host_key
PidFile none
UsePAM {'yes' if settings.get('pam', True) else 'no'}
PasswordAuthentication yes
KbdInteractiveAuthentication no
StrictModes no
MaxAuthTries {settings.get('tries', 6)}
MaxStartups {settings.get('startups', '30:30:100')}
LoginGraceTime {settings.get('grace_s', 60)}
PrintMotd no
Subsystem sftp internal-sftp
""")
    site.launch(host, ["/usr/sbin/sshd", "-D", "-e", "-f", f"{folder}/config"], "sshd")


def vsftpd(site, host, settings):
    """FTP on port 21, passive data ports 40000 to 40200."""
    folder = site.folder(host, "vsftpd")
    os.makedirs(f"{folder}/empty", exist_ok=True)
    with open(f"{folder}/conf", "w") as file:
        file.write(f"""
listen=NO
listen_ipv6=YES
background=NO
local_enable=YES
write_enable=YES
anonymous_enable=NO
pam_service_name=vsftpd
secure_chroot_dir={folder}/empty
pasv_min_port=40000
pasv_max_port=40200
delay_failed_login={settings.get('delay_s', 1)}
max_login_fails={settings.get('tries', 3)}
seccomp_sandbox=NO
""")
    for user in USERS:
        home = f"{site.run_dir}/home/{user}"
        for number in range(4):
            target = f"{home}/report{number}.txt"
            with open(target, "w") as file:
                file.write("quarterly figures, line by line\n" * int(10 ** site.rng.uniform(0.5, settings.get("size_exponent", 4.3))))
            os.chown(target, *(os.stat(home)[name] for name in (4, 5)))
    site.launch(host, ["/usr/sbin/vsftpd", f"{folder}/conf"], "vsftpd")


def dnsmasq(site, host, settings):
    """DNS for the lab's names, wildcard names below the lab's domain, TXT records, NXDOMAIN for the rest."""
    folder = site.folder(host, "dnsmasq")
    domain = settings["domain"]
    lines = [f"local=/{domain}/", "local=/example/", f"txt-record=note.{domain},\"v=spf1 mx -all\"",
             f"txt-record=long.{domain},\"{'k=rsa; p=' + 'MIGf' * 45}\"", f"mx-host={domain},mail.{domain},10"]
    for name, entry in site.network.hosts.items():
        lines.append(f"host-record={name}.{domain},{entry.ip}")
        if entry.ip6:
            lines.append(f"host-record={name}-6.{domain},{entry.ip6}")
    target = next(iter(site.network.hosts.values())).ip
    lines += [f"address=/cdn.{domain}/{target}"]
    with open(f"{folder}/conf", "w") as file:
        file.write("\n".join(lines) + "\n")
    site.launch(host, ["dnsmasq", "--keep-in-foreground", "--conf-file=" + f"{folder}/conf", "--no-resolv", "--no-hosts",
                       "--user=root", "--pid-file=", f"--cache-size={settings.get('cache', 500)}"], "dnsmasq")


def iperf3(site, host, settings):
    """iperf3 on its own port, one test at a time; started again by itself after each."""
    site.launch(host, ["iperf3", "-s", "-p", settings.get("port", 5201)], "iperf3")


def redis(site, host, settings):
    """Redis without persistence or protection."""
    folder = site.folder(host, "redis")
    site.launch(host, ["redis-server", "--save", "", "--appendonly", "no", "--protected-mode", "no", "--dir", folder,
                       "--bind", "0.0.0.0", "::"], "redis")


def mosquitto(site, host, settings):
    """MQTT on 1883, open to all in the lab."""
    folder = site.folder(host, "mosquitto")
    with open(f"{folder}/conf", "w") as file:
        file.write("listener 1883\nallow_anonymous true\nuser root\n")
    site.launch(host, ["mosquitto", "-c", f"{folder}/conf"], "mosquitto")


def chrony(site, host, settings):
    """An NTP server that never touches the machine's clock (-x)."""
    folder = site.folder(host, "chrony")
    with open(f"{folder}/conf", "w") as file:
        file.write(f"local stratum 8\nallow all\ncmdport 0\npidfile {folder}/pid\ndriftfile {folder}/drift\nuser root\n")
    site.launch(host, ["/usr/sbin/chronyd", "-x", "-d", "-f", f"{folder}/conf"], "chrony")


def snmpd(site, host, settings):
    """SNMP agent with the community `public`."""
    folder = site.folder(host, "snmpd")
    with open(f"{folder}/conf", "w") as file:
        file.write("rocommunity public\nagentaddress udp:161\n")
    site.launch(host, ["/usr/sbin/snmpd", "-f", "-Lo", "-C", "-c", f"{folder}/conf", "-p", f"{folder}/pid"], "snmpd")


def sipp(site, host, settings):
    """The answering side of SIP calls."""
    folder = site.folder(host, "sipp")
    site.launch(host, ["sipp", "-sn", "uas", "-nostdin", "-p", 5060, "-i", site.network.hosts[host].ip], "sipp", cwd=folder)


def postgres(site, host, settings):
    """PostgreSQL that trusts everybody in the lab, without fsync."""
    folder = site.folder(host, "postgres")
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    shutil.chown(folder, "postgres")
    ask("runuser", "-u", "postgres", "--", f"{programs}/initdb", "-N", "-A", "trust", "-D", f"{folder}/data")
    with open(f"{folder}/data/pg_hba.conf", "w") as file:
        file.write("host all all all trust\n")
    site.launch(host, ["runuser", "-u", "postgres", "--", f"{programs}/postgres", "-D", f"{folder}/data", "-c", "listen_addresses=*", "-c", "fsync=off",
                       "-c", "unix_socket_directories=", "-c", "shared_buffers=16MB"], "postgres")


def shop(site, host, settings):
    """The careless web shop on 8081."""
    folder = site.folder(host, "shop")
    with open(f"{folder}/terms.txt", "w") as file:
        file.write("terms and conditions\n" * 80)
    site.serve_script(host, "vulnerable.py", 8081, folder)


def lair(site, host, settings):
    """Where beacons and smuggled data arrive: HTTP 8000, TLS 8443, TCP 4444, DNS 53."""
    folder = site.folder(host, "lair")
    ask("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=updates", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem")
    site.serve_script(host, "lair.py", f"{folder}/cert.pem", f"{folder}/key.pem")


def iodined(site, host, settings):
    """The far end of iodine's tunnels, and of ptunnel-ng's."""
    site.launch(host, ["iodined", "-f", "-c", "-P", "under", "10.251.0.1/27", "t.lair.example"], "iodined")
    site.launch(host, ["ptunnel-ng"], "ptunnel")


def memcached(site, host, settings):
    """memcached with its UDP port open, as it was once shipped."""
    site.launch(host, ["memcached", "-u", "root", "-U", "11211", "-l", "0.0.0.0", "-m", "16"], "memcached")


SERVICES = {
    "postgres": postgres, "shop": shop, "lair": lair, "iodined": iodined, "memcached": memcached,
    "nginx": nginx, "sshd": sshd, "vsftpd": vsftpd, "dnsmasq": dnsmasq, "iperf3": iperf3, "redis": redis,
    "mosquitto": mosquitto, "chrony": chrony, "snmpd": snmpd, "sipp": sipp,
    "mail": lambda site, host, settings: site.serve_script(host, "mail_server.py"),
    "talk": lambda site, host, settings: site.serve_script(host, "talk.py", "listen"),
    "shapes": lambda site, host, settings: site.serve_script(host, "shapes.py", "listen"),
    "nuttcp": lambda site, host, settings: site.launch(host, ["nuttcp", "-S", "--nofork"], "nuttcp"),
    "tracker": lambda site, host, settings: site.serve_script(host, "tracker.py"),
}
