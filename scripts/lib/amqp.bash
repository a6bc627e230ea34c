# shellcheck shell=bash
# The first steps of an AMQP 0-9-1 connection, by bash alone, so that waiting for a broker needs no client and no
# Erlang: protocol header, Connection.Start, and with a user and password Connection.Start-Ok and Connection.Tune.
# Sourced, never run.

# amqp_probe PORT [USER PASSWORD]: prints the version of the broker that listens on 127.0.0.1:PORT. Returns 0 if it
# speaks AMQP (and accepts the login), 1 if nobody listens, 2 if it isn't an AMQP broker, 3 if it refuses the login.
amqp_probe() (
    LC_ALL=C
    { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
    printf 'AMQP\x00\x00\x09\x01' >&3 2>/dev/null || return 2
    amqp_read_method && [ "$method" = 10.10 ] || return 2 # Connection.Start
    if [ $# -eq 3 ]; then
        amqp_write_start_ok "$2" "$3" 2>/dev/null || return 3
        amqp_read_method && [ "$method" = 10.30 ] || return 3 # Connection.Tune; a refusal is Connection.Close
    fi
    # In the table of server properties a value's type and length stand between the key and the value.
    [[ $start_text =~ versionS[[:cntrl:]]([0-9][0-9A-Za-z.+-]*) ]] && echo "${BASH_REMATCH[1]}" || echo unknown
)

# Reads one frame from descriptor 3: sets `method` ("class.method") and, of the first frame, `start_text`, which is
# its payload without the NULs that bash can't hold.
amqp_read_method() {
    local byte code size=0 class=0 index text=''
    method=0
    for index in {1..7}; do # type, channel (2), size (4)
        amqp_read_byte || return 1
        [ "$index" -gt 1 ] || [ "$code" = 1 ] || return 1 # 1: a method frame
        [ "$index" -le 3 ] || size=$((size * 256 + code))
    done
    [ "$size" -ge 4 ] && [ "$size" -le 131072 ] || return 1
    for ((index = 0; index <= size; index++)); do # and the end octet
        amqp_read_byte || return 1
        case $index in
        0 | 1) class=$((class * 256 + code)) ;;
        2 | 3) method=$((method * 256 + code)) ;;
        *) text+=$byte ;;
        esac
    done
    method=$class.$method
    [ -n "${start_text:-}" ] || start_text=$text
}

# Sets the caller's `byte` (empty for a NUL) and `code`.
amqp_read_byte() {
    IFS= read -r -t 10 -n 1 -d '' byte <&3 2>/dev/null || return 1
    printf -v code %d "'$byte"
    code=$((code & 255))
}

# amqp_write_start_ok USER PASSWORD: no client properties, mechanism PLAIN, locale en_US. Plain letters and digits only.
amqp_write_start_ok() {
    local response=$((${#1} + ${#2} + 2)) frame
    frame="\x01\x00\x00$(amqp_long $((24 + response)))\x00\x0a\x00\x0b\x00\x00\x00\x00\x05PLAIN"
    frame+="$(amqp_long "$response")\x00$1\x00$2\x05en_US\xce"
    printf %b "$frame" >&3
}

# amqp_long NUMBER: its four octets, as escapes of printf's %b.
amqp_long() { printf '\\x%02x' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)); }
