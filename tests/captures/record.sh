#!/usr/bin/env bash
# Records the captures in this folder: real programs talking across a router.
#
#   office 10.0.1.2, fd00:1::2 --- lan [router] wan --- internet 10.0.2.2, fd00:2::2
#
# Needs root on Debian.  Everything runs in network namespaces of its own, so no
# packet leaves them, and files are replaced only after all checks have passed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
chmod 755 "$tmp" # the servers drop root and must still reach their files
mkdir "$tmp/captures"

# The process id keeps the names apart from any other namespace on the machine.
office=capture-$$-office
router=capture-$$-router
internet=capture-$$-internet

log="$tmp/programs.log" # what the programs say; shown only if something fails

# ---- helpers ---------------------------------------------------------------

packages() {
    local wanted missing
    wanted=(bind9-dnsutils curl dnsmasq-base ethtool iproute2 iputils-ping lftp nginx-light
        openssh-client openssh-server python3-minimal tcpdump tcpreplay traceroute tshark vsftpd)
    missing=$(for package in "${wanted[@]}"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            echo "$package"
    done)
    [ -z "$missing" ] && return
    apt-get update -qq
    # RUNLEVEL=1 keeps the packages from starting their servers on the machine itself.
    # shellcheck disable=SC2086 # one word per package
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $missing
}

# Runs a command in a namespace.
at() { ip netns exec "$@"; }

# Runs a command on the office computer, which asks the DNS server in `internet`.
# `ip netns exec` gives every command its own mounts, so the bind mount is private.
desk() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    at "$office" sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$tmp/resolv.conf" "$@"
}

# For a command that must fail, such as a visit to a closed port.
fails() {
    if "$@"; then
        echo "should have failed: $*" >&2
        return 1
    fi
}

# Polls for up to ten seconds.
until_true() {
    for _ in $(seq 100); do
        "$@" && return
        sleep 0.1
    done
    echo "gave up waiting for: $*" >&2
    return 1
}

# Waits for each process, so that a failure in any of them ends the script.
wait_all() {
    local pid
    for pid in "$@"; do wait "$pid"; done
}

# ---- the network -----------------------------------------------------------

network_up() {
    local ns
    for ns in "$office" "$router" "$internet"; do
        ip netns add "$ns"
        ip -n "$ns" link set lo up
        # A rate limit would leave some probes of traceroute unanswered, by chance.
        at "$ns" sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
    done
    # Fixed hardware addresses: easy to tell apart, and nothing of the machine shows.
    ip link add lan netns "$router" address 02:00:00:00:01:01 type veth \
        peer name eth0 netns "$office" address 02:00:00:00:01:02
    ip link add wan netns "$router" address 02:00:00:00:02:01 type veth \
        peer name eth0 netns "$internet" address 02:00:00:00:02:02
    no_offload "$router" lan
    no_offload "$router" wan
    no_offload "$office" eth0
    no_offload "$internet" eth0

    at "$router" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    address "$router" lan 10.0.1.1/24 fd00:1::1/64
    address "$router" wan 10.0.2.1/24 fd00:2::1/64
    address "$office" eth0 10.0.1.2/24 fd00:1::2/64
    address "$internet" eth0 10.0.2.2/24 fd00:2::2/64
    ip -n "$router" link set lan up
    ip -n "$router" link set wan up
    plug_in "$internet" wan 10.0.2.1 fd00:2::1

    # Lets an idle ssh session show TCP keepalives within seconds, not hours.
    at "$office" sysctl -qw net.ipv4.tcp_keepalive_time=2 net.ipv4.tcp_keepalive_intvl=2
}

# With offloads on, checksums stay unset and segments are larger than the wire allows.
no_offload() {
    at "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >"$tmp/ethtool.log"
}

address() {
    ip -n "$1" address add "$3" dev "$2"
    ip -n "$1" address add "$4" dev "$2"
}

# Connects the cable; duplicate address detection follows, and must end before use.
plug_in() {
    ip -n "$1" link set eth0 up
    until_true usable "$1" eth0
    until_true usable "$router" "$2"
    ip -n "$1" route add default via "$3"
    ip -n "$1" route add default via "$4"
}
plug_in_office() { plug_in "$office" lan 10.0.1.1 fd00:1::1; }

usable() { [ -z "$(ip -n "$1" -6 address show dev "$2" tentative)" ]; }

# Only what runs inside our namespaces is ended: all of that was started here.
network_down() {
    local ns
    for ns in "$office" "$router" "$internet"; do
        ip netns pids "$ns" 2>/dev/null | xargs -r kill 2>/dev/null || true
    done
    wait
    for ns in "$office" "$router" "$internet"; do
        ip netns delete "$ns" 2>/dev/null || true
    done
}

cleanup() {
    local status=$?
    trap - EXIT
    set +e
    if [ "$status" -ne 0 ]; then
        echo "record.sh failed; the programs said:" >&2
        tail -n 40 "$log" >&2
    fi
    # Our own background jobs first, or they would go on to start more programs.
    jobs -p | xargs -r kill 2>/dev/null
    network_down
    rm -rf "$tmp"
    exit "$status"
}

# ---- the servers -----------------------------------------------------------

prepare_servers() {
    mkdir -p "$tmp/web" "$tmp/ftp/pub" "$tmp/ftp/incoming"
    echo "It works." >"$tmp/web/index.html"
    seq 500 >"$tmp/web/style.css"
    seq 18000 >"$tmp/web/large.txt" # about 100 kB
    seq 300 >"$tmp/ftp/pub/notes.txt"
    seq 4000 >"$tmp/ftp/pub/report.txt" # about 19 kB
    mkdir -p "$tmp/tftp"
    seq 500 >"$tmp/tftp/boot.txt"
    seq 2000 >"$tmp/upload.txt"
    chown ftp "$tmp/ftp/incoming"

    cat >"$tmp/nginx.conf" <<CONF
daemon off;
pid $tmp/nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    server { listen 80; listen [::]:80; root $tmp/web; }
}
CONF

    cat >"$tmp/vsftpd.conf" <<CONF
background=NO
listen=NO
listen_ipv6=YES
anonymous_enable=YES
no_anon_password=YES
anon_root=$tmp/ftp
anon_upload_enable=YES
write_enable=YES
connect_from_port_20=YES
xferlog_enable=NO
CONF

    cat >"$tmp/sshd_config" <<CONF
HostKey $tmp/host_key
AuthorizedKeysFile $tmp/user_key.pub
PermitRootLogin prohibit-password
PermitTunnel yes
StrictModes no
UsePAM no
PrintMotd no
CONF
    # Throw-away keys: they live as long as this script runs.
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$tmp/host_key"
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$tmp/user_key"

    printf 'nameserver 10.0.2.2\nnameserver fd00:2::2\n' >"$tmp/resolv.conf"
}

servers_up() {
    rm -f "$tmp"/ftp/incoming/* # an anonymous visitor may not replace a file
    # A private /run: the servers find the folders they want, the machine's stays as it is.
    # shellcheck disable=SC2016 # expanded by the inner shell
    local private='mount -t tmpfs none /run && mkdir -p /run/sshd /run/vsftpd/empty && exec "$@"'
    at "$internet" nginx -p "$tmp" -c "$tmp/nginx.conf" >>"$log" 2>&1 &
    at "$internet" dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts \
        --pid-file= --local=/test/ --host-record=www.example.test,10.0.2.2,fd00:2::2 \
        --host-record=ftp.example.test,10.0.2.2,fd00:2::2 \
        --txt-record=example.test,"a text record" --enable-tftp --tftp-root="$tmp/tftp" >>"$log" 2>&1 &
    at "$internet" sh -c "$private" sh vsftpd "$tmp/vsftpd.conf" >>"$log" 2>&1 &
    # sshd starts itself again for every session and wants its full path for that.
    at "$internet" sh -c "$private" sh "$(command -v sshd)" -D -e -f "$tmp/sshd_config" \
        >>"$log" 2>&1 &
    local port
    for port in 80 53 21 22; do until_true listens "$port"; done
    until_true listens_udp 69
}

listens() { [ -n "$(at "$internet" ss -Htln "sport = :$1")" ]; }

listens_udp() { [ -n "$(at "$internet" ss -Huln "sport = :$1")" ]; }

# ---- what people do --------------------------------------------------------

get() { desk curl -sS -o /dev/null -m 20 "$@"; }

# Arguments: -4 or -6, the site.
web() {
    get "$1" "$2/"
    sleep 0.3
    # Three requests in one connection.
    get "$1" "$2/" -o /dev/null "$2/style.css" -o /dev/null "$2/missing"
    sleep 0.3
    get "$1" "$2/large.txt"
    fails get "$1" "$2:81/" 2>>"$log" # nobody listens there: connection refused
}

# A browser: several connections at once.
browse() {
    desk curl -sS -m 20 -Z --parallel-immediate -o /dev/null "http://www.example.test/" \
        -o /dev/null "http://www.example.test/style.css" \
        -o /dev/null "http://www.example.test/?again" 2>>"$log" # -Z shows progress, despite -s
}

# The reader does not want that much: curl closes with data unread, and a reset follows.
abandon() { fails get --max-filesize 1000 "http://$1/large.txt" 2>>"$log"; }

dns() {
    local server
    for server in 10.0.2.2 fd00:2::2; do
        desk dig "@$server" www.example.test A
        desk dig "@$server" www.example.test AAAA
        desk dig "@$server" example.test TXT
        desk dig "@$server" nobody.example.test A # NXDOMAIN
        sleep 0.5
        desk dig "@$server" +tcp www.example.test A
        # No server on this port: the answer is an ICMP error.
        fails desk dig "@$server" -p 5300 +tries=1 +time=2 www.example.test A
    done >>"$log" 2>&1
}

pings() {
    desk ping -n -c 4 -i 0.5 10.0.2.2
    desk ping -n -c 4 -i 0.5 fd00:2::2
    desk ping -n -c 2 -i 0.5 -s 1400 10.0.2.2
    # No such host: the router answers, once its ARP or neighbour requests have failed.
    fails desk ping -n -c 1 -W 5 10.0.2.99
    fails desk ping -n -c 1 -W 5 fd00:2::99
} >>"$log" 2>&1

traceroutes() {
    local host
    for host in 10.0.2.2 fd00:2::2; do
        desk traceroute -n -m 4 -N 3 "$host"    # UDP
        desk traceroute -n -m 4 -N 3 -I "$host" # ICMP echo
    done
} >>"$log" 2>&1

# Several transfers in one control connection.  Arguments: URL, more options of curl.
fetch_ftp() {
    local url=$1
    shift
    get "$@" "$url/pub/" -o /dev/null "$url/pub/notes.txt" -o /dev/null "$url/pub/report.txt"
}

# Arguments: host, passive mode on or off.
lftp_session() {
    desk lftp -c "set net:max-retries 1; set ftp:passive-mode $2; set ftp:use-feat no
        set xfer:clobber yes; open ftp://$1; ls; cat pub/notes.txt; get pub/report.txt -o /dev/null
        put $tmp/upload.txt -o incoming/passive-$2.txt" >>"$log" 2>&1
}

ftp_active() {
    fetch_ftp ftp://10.0.2.2 --ftp-port - --disable-eprt # PORT
    fetch_ftp ftp://10.0.2.2 --ftp-port -                # EPRT
    fetch_ftp 'ftp://[fd00:2::2]' --ftp-port -           # EPRT
    lftp_session 10.0.2.2 off                            # PORT
}

ftp_passive() {
    fetch_ftp ftp://10.0.2.2 --disable-epsv # PASV
    fetch_ftp ftp://10.0.2.2                # EPSV
    fetch_ftp 'ftp://[fd00:2::2]'           # EPSV
    lftp_session 10.0.2.2 on                # PASV
}

# Two files and a missing one, each from a port of the server's choice.
tftp() {
    get tftp://10.0.2.2/boot.txt
    get 'tftp://[fd00:2::2]/boot.txt'
    fails get tftp://10.0.2.2/missing.txt 2>>"$log"
}

secure_shell() {
    desk ssh -F none -i "$tmp/user_key" -o IdentitiesOnly=yes -o BatchMode=yes \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$@"
}

# Somebody types, and thinks for longer than the keepalive time in between.
ssh_session() {
    {
        echo 'echo hello; uname'
        sleep 1.5
        echo 'seq 2000'
        sleep 5
        echo 'date; exit'
    } | secure_shell -tt "root@$1" >>"$log" 2>&1
}

# One of each, for the small files.  Arguments: address over IPv4, over IPv6.
hello() {
    desk ping -n -c 1 "$1"
    desk ping -n -c 1 "$2"
    desk dig "@$1" +tries=1 www.example.test A
    get "http://$1/"
} >>"$log"
hello_internet() { hello 10.0.2.2 fd00:2::2; }

ssh_both() {
    ssh_session 10.0.2.2
    ssh_session fd00:2::2
}

http() {
    web -4 http://10.0.2.2
    web -6 'http://[fd00:2::2]'
    abandon 10.0.2.2
}

pings_and_traceroutes() {
    pings
    traceroutes
}

# A morning in the office: everything at once.
everything() {
    local started=()
    web -4 http://www.example.test & started+=($!)
    web -6 http://www.example.test & started+=($!)
    dns & started+=($!)
    pings & started+=($!)
    ssh_session 10.0.2.2 & started+=($!)
    sleep 1
    ssh_session fd00:2::2 & started+=($!)
    ftp_active & started+=($!)
    browse & started+=($!)
    sleep 1
    ftp_passive & started+=($!)
    traceroutes & started+=($!)
    wait_all "${started[@]}"
    browse
}

# ---- recording -------------------------------------------------------------

# Arguments: file, namespace, interface, options of tcpdump.
start_tcpdump() {
    local file=$tmp/captures/$1 ns=$2 interface=$3
    shift 3
    : >"$tmp/tcpdump.log"
    # Not with `at`: $! must be tcpdump itself, not a shell around it.
    ip netns exec "$ns" tcpdump -n -U -Z root -i "$interface" -w "$file" "$@" 2>"$tmp/tcpdump.log" &
    recorder=$!
    until_true grep -q 'listening on' "$tmp/tcpdump.log"
}

stop_tcpdump() {
    sleep 1 # the last packets are still on their way
    kill "$recorder"
    wait "$recorder"
    grep -qx '0 packets dropped by kernel' "$tmp/tcpdump.log"
}

# A new network for each file, so that none begins with what another left behind.
# The cable is plugged in after tcpdump has started: nothing is cut at the beginning.
record() {
    local file=$1 activity=$2
    echo "recording $file" >&2
    network_up
    servers_up
    start_tcpdump "$file" "$router" lan
    plug_in_office
    "$activity"
    stop_tcpdump
    network_down
}

record_small() {
    echo "recording the small files" >&2
    network_up
    servers_up
    plug_in_office
    hello_internet # the neighbours get to know each other, to keep the files small
    start_tcpdump nanosecond.pcap "$router" lan --time-stamp-precision=nano
    hello_internet
    stop_tcpdump
    # In `office`, since `any` on the router would show each forwarded packet twice.
    start_tcpdump sll2.pcap "$office" any -y LINUX_SLL2
    hello_internet
    stop_tcpdump
    start_tcpdump sll.pcap "$office" any -y LINUX_SLL
    hello_internet
    stop_tcpdump

    # ssh makes the tun devices; a tun device has no link layer, so tcpdump writes RAW.
    secure_shell -N -w 0:0 root@10.0.2.2 >>"$log" 2>&1 &
    until_true ip -n "$office" link show tun0 >>"$log" 2>&1
    until_true ip -n "$internet" link show tun0 >>"$log" 2>&1
    address "$office" tun0 10.0.9.1/24 fd00:9::1/64
    address "$internet" tun0 10.0.9.2/24 fd00:9::2/64
    ip -n "$office" link set tun0 up
    ip -n "$internet" link set tun0 up
    until_true desk ping -q -n -c 1 -W 1 fd00:9::2 >>"$log" 2>&1
    start_tcpdump raw.pcap "$office" tun0
    hello 10.0.9.2 fd00:9::2
    stop_tcpdump
    network_down
}

# Files which cannot be recorded everywhere are made out of recorded ones.
convert() {
    cd "$tmp/captures"
    # Not every kernel has VLAN devices, hence the tag is put in afterwards.
    tcprewrite --enet-vlan=add --enet-vlan-tag=5 --enet-vlan-pri=0 --enet-vlan-cfi=0 \
        --infile=nanosecond.pcap --outfile=vlan.pcap
    tshark -n -r office.pcap -Y 'udp.port == 53' -F pcapng -w office.pcapng 2>>"$log"
    # Linux has no interface of type NULL: give each raw packet the header of a BSD one.
    python3 - raw.pcap null.pcap <<'PYTHON'
import struct
import sys

source, target = sys.argv[1:]
AF_INET, AF_INET6 = 2, 30  # the numbers of macOS
DLT_NULL = 0
with open(source, "rb") as reader, open(target, "wb") as writer:
    writer.write(reader.read(24)[:20] + struct.pack("<I", DLT_NULL))
    while record := reader.read(16):
        seconds, fraction, captured, length = struct.unpack("<4I", record)
        packet = reader.read(captured)
        family = AF_INET if packet[0] >> 4 == 4 else AF_INET6
        writer.write(struct.pack("<4I", seconds, fraction, captured + 4, length + 4))
        writer.write(struct.pack("<I", family) + packet)
PYTHON
    cd "$here"
}

# ---- checks ----------------------------------------------------------------

# Wrong checksums, cut or oversized packets, and gaps in a connection are not to be had.
check() {
    local file bad
    for file in "$tmp"/captures/*; do
        bad=$(tshark -n -r "$file" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE \
            -o udp.check_checksum:TRUE -Y 'ip.checksum.status == 0 || tcp.checksum.status == 0 ||
                udp.checksum.status == 0 || icmp.checksum.status == 0 ||
                icmpv6.checksum.status == 0 || frame.cap_len < frame.len || ip.len > 1500 ||
                tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || _ws.malformed' 2>>"$log")
        if [ -n "$bad" ]; then
            printf 'bad packets in %s:\n%s\n' "${file##*/}" "$bad" >&2
            return 1
        fi
    done
}

# For the table in README.md.
summary() {
    local file
    for file in "$here"/*.pcap "$here"/*.pcapng; do
        printf '%-18s %8d bytes %6d packets\n' "${file##*/}" "$(stat -c %s "$file")" \
            "$(tshark -n -r "$file" 2>/dev/null | wc -l)"
    done
    dpkg-query -W -f '${Package} ${Version}\n' bind9-dnsutils curl dnsmasq-base iputils-ping lftp \
        nginx-light openssh-server tcpdump tcpreplay traceroute tshark vsftpd
}

# ---- all of it -------------------------------------------------------------

[ "$(id -u)" -eq 0 ] || { echo "record.sh needs root, for the namespaces" >&2; exit 1; }
: >"$log"
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

packages >&2
prepare_servers
record http.pcap http
record dns.pcap dns
record ping.pcap pings_and_traceroutes
record ftp-active.pcap ftp_active
record ftp-passive.pcap ftp_passive
record ssh.pcap ssh_both
record tftp.pcap tftp
record office.pcap everything
record_small
convert
check
install -m 644 "$tmp"/captures/* "$here"
summary
