"""The Debian packages the lab needs, and how to get what is missing."""

import os
import shutil
import subprocess
import sys

# program -> package
PROGRAMS = {
    "ip": "iproute2", "tcpdump": "tcpdump", "ethtool": "ethtool", "editcap": "wireshark-common", "zstd": "zstd", "gzip": "gzip",
    "openssl": "openssl", "sysctl": "procps", "nginx": "nginx-light", "sshd": "openssh-server", "vsftpd": "vsftpd",
    "dnsmasq": "dnsmasq-base", "iperf3": "iperf3", "redis-server": "redis-server", "redis-cli": "redis-tools",
    "mosquitto": "mosquitto", "mosquitto_pub": "mosquitto-clients", "chronyd": "chrony", "ntpdig": "ntpsec-ntpdig",
    "snmpd": "snmpd", "snmpwalk": "snmp", "curl": "curl", "wget": "wget", "ssh": "openssh-client", "sshpass": "sshpass",
    "rsync": "rsync", "lftp": "lftp", "dig": "bind9-dnsutils", "ping": "iputils-ping", "nc": "netcat-openbsd",
    "traceroute": "traceroute", "swaks": "swaks", "aria2c": "aria2", "sipp": "sip-tester", "h2load": "nghttp2-client",
    "nmap": "nmap", "masscan": "masscan", "hping3": "hping3", "ab": "apache2-utils", "wrk": "wrk", "siege": "siege",
    "slowhttptest": "slowhttptest", "nft": "nftables", "chromium": "chromium", "w3m": "w3m", "git": "git", "nuttcp": "nuttcp", "memcached": "memcached",
    "sqlmap": "sqlmap", "gobuster": "gobuster", "dirb": "dirb", "ffuf": "ffuf", "wfuzz": "wfuzz", "iodine": "iodine", "iodined": "iodine",
    "dns2tcpc": "dns2tcp", "socat": "socat", "ptunnel-ng": "ptunnel-ng", "zmap": "zmap", "fping": "fping", "httperf": "httperf", "t50": "t50", "hydra": "hydra", "medusa": "medusa", "ncrack": "ncrack", "patator": "patator",
}
MODULES = {"/usr/lib/python3/dist-packages/paramiko/__init__.py": "python3-paramiko", "/usr/lib/postgresql": "postgresql",
           "/usr/lib/nginx/modules/ngx_http_echo_module.so": "libnginx-mod-http-echo"}


def missing():
    """Packages whose program or file is not here."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    absent = {package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)}
    absent |= {package for file, package in MODULES.items() if not os.path.exists(file)}
    return sorted(absent)


def install():
    """Installs what is missing as root, else prints the one command; daemons are kept from starting."""
    absent = missing()
    if not absent:
        print("lab: everything is installed")
        return 0
    command = ["apt-get", "install", "-y", "--no-install-recommends", *absent]
    if os.geteuid() != 0:
        print("sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive " + " ".join(command))
        return 69
    # RUNLEVEL=1 makes invoke-rc.d leave the freshly installed servers stopped.
    done = subprocess.run(command, env={**os.environ, "RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"})
    if done.returncode:
        print("lab: apt-get failed; try `apt-get update` first", file=sys.stderr)
    return 0 if done.returncode == 0 else 69
