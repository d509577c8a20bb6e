#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cli.sh: the command line itself: exit statuses, messages, JSON, odd names, batch files, interrupts, no daemon.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
need_command jq jq

tree=$scratch/data/tree
loop_mount xfs "$scratch/data/xfs" 4G && tree=$scratch/data/xfs/tree
mkdir -p "$tree"
standard_policy "$tree"
start_daemon
cd "$tree" || die "cannot enter $tree"

n() { as_nobody fsop "$@"; }
is() { # WHAT FORMAT EXPECTED PATH
        equal "$1" "$3" "$(stat -c "$2" "$4" 2>&1)"
}
json() { # WHAT FILTER EXPECTED ARGUMENTS…: what jq makes of --json
        local what=$1 filter=$2 expected=$3
        shift 3
        equal "$what" "$expected" "$(n --json "$@" 2>/dev/null | jq -r "$filter" 2>&1)"
}

# ---- wrong usage: 2, nothing asked ------------------------------------------------------------------------------------
exits 2 "no command" fsop
exits 2 "an unknown command" fsop chwon root x
contains "… is answered with the nearest one" "did you mean 'chown'?" "$output"
exits 2 "an unknown option" fsop chown --recursve root x
contains "… likewise" "did you mean '--recursive'?" "$output"
exits 2 "too few arguments" fsop chown root
contains "… shows the usage" "usage: fsop chown" "$output"
exits 2 "uid 4294967295" fsop chown 4294967295 x
exits 2 "an unknown user" fsop chown no-such-user x
exits 2 "a wrong mode" fsop chmod 888 x
exits 2 "a mode that needs the old one, with -R" fsop chmod -R g=u x
exits 2 "a wrong time" fsop touch -d yesterday x
exits 2 "two modes of fallocate" fsop fallocate -p -z -l 1 x
exits 2 "--dig-holes" fsop fallocate --dig-holes -l 1 x
exits 2 "a device without numbers" fsop mknod x c
exits 2 "rm of ." fsop rm -r .
exits 0 "--help needs no daemon" env FSOP_SOCKET=/nowhere fsop --help
exits 0 "--help of a command" env FSOP_SOCKET=/nowhere fsop chmod --help
exits 0 "--help of commands of two words" env FSOP_SOCKET=/nowhere fsop job --help
contains "… has them" "job watch ID" "$output"
lacks "… and no others" "policy reload" "$output"
exits 2 "without --help the second word is asked for" fsop job
contains "… by name" "'job watch'" "$output"
exits 1 "in a batch file it has no place" fsop batch - <<<$'job --help'
exits 0 "--version" fsop --version
for shell in bash zsh fish; do
        exits 0 "completion for $shell" fsop completion $shell
        contains "… knows fallocate's options" "collapse-range" "$output"
        if command -v $shell >/dev/null; then
                $shell -n <<<"$output" && ok "$shell can read it" || fail "$shell can read it"
        else
                skip "whether $shell can read its completion: needs $shell"
        fi
done

# ---- no daemon: 4, and why ----------------------------------------------------------------------------------------------
exits 2 "an empty name of a socket" fsop --socket "" ping
exits 4 "no socket" fsop --socket "$scratch/none" stat /
contains "… names the socket" "$scratch/none" "$output"
contains "… and the reason" ENOENT "$output"
equal "… in JSON" "ping false ENOENT" "$(fsop --json --socket "$scratch/none" ping | jq -r '[.op, .ok, .error.code] | join(" ")')"
: >"$scratch/state/plain"
chmod 600 "$scratch/state/plain"
exits 4 "a socket that may not be used" as_nobody env "FSOP_SOCKET=$scratch/state/plain" fsop ping
contains "… tells of the group" "group" "$output"

# ---- several paths: each is tried, one exit status ----------------------------------------------------------------------
exits 0 "several files" n touch one two
exits 5 "one of several missing" n chown 1234:1234 one missing two
contains "… is named" "chown: missing: no such file or directory (ENOENT)" "$output"
is "… the others were changed" %u 1234 two
exits 1 "all missing" n chown 1234:1234 missing none
exits 3 "all denied" n chown 0:0 one two
exits 3 "denied, asked for elevation" n --as elevated chown 1234:1234 /etc/passwd
contains "… says what would help" 'fsop explain chown' "$output"
exits 1 "not denied but impossible, as caller" n --as caller chown 0:0 two
contains "… says who refuses it" "the kernel refuses it to uid $nobody_uid; as caller no rule is asked" "$output"
json "denied in JSON" '[.ok, .error.class, .error.os_error|tostring] | join(" ")' "false denied 1" chown 0:0 one
json "a rule's name in JSON" '.elevated' true stat one
exits 0 "rm -f does not mind" n rm -f missing
exits 1 "rm does" n rm missing
exits 0 "rm -f of nothing" n rm -f
equal "… says nothing" "" "$output"
exits 2 "rm of nothing" n rm -r
exits 0 "rm -f of an empty name" n rm -f ""
exits 1 "rm of it" n rm ""
touch forced
exits 0 "mv -f" n mv -nf forced forced2
exits 1 "mv -n" n mv -fn "$PWD/two" forced2
for text in itself ./itself; do
        echo "what is there" >itself
        exits 1 "ln -sf of a name to itself" n ln -sf "$text" "$text"
        equal "… which keeps what it is" "what is there" "$(cat itself)"
done
exits 0 "ln -sf to something else" n ln -sf forced2 itself
exits 2 "cp of a file to what is to be a directory" n cp forced2 none/
[ ! -e none ] && ok "… makes none" || fail "… makes none"
exits 0 "… of a directory" n cp -r "$(mktemp -d -p "$PWD" dirXXXX)" none/
rm -rf forced2 itself none dir????

# ---- odd names ------------------------------------------------------------------------------------------------------------
odd=$'new\nline\xff\e[31m'
long=$(printf 'x%.0s' {1..255})
exits 0 "odd names" n touch -- "$odd" "$long" "-dash" "sp ace"
entries() { find . -mindepth 1 -maxdepth 1 "$@" -printf x | wc -c; }
equal "they are there" 4 "$(entries \( -name 'new*' -o -name 'xxx*' -o -name '-dash' -o -name 'sp ace' \))"
exits 1 "a missing odd name" n stat "$odd.gone"
lacks "… has no escape in the message" $'\e' "$output"
contains "… is quoted" "'new'\$'\\n''line'\$'\\377\\033''[31m.gone'" "$output"
json "its JSON is base64" '.path_b64 | @base64d | length > 0' true stat "$odd"
equal "… that decodes to the name" "$(printf '%s' "$odd" | od -An -tx1)" \
        "$(n --json stat "$odd" | jq -r .path_b64 | base64 -d | od -An -tx1)"
json "a name in UTF-8 stays text" .path "sp ace" stat "sp ace"
contains "ls is raw where it is no terminal" "$odd" "$(n ls .)"
equal "ls in JSON has every entry" "$(entries)" \
        "$(n --json ls . | jq -s 'map(select(.name or .name_b64)) | length')"
json "… and ends with their number" 'select(.entries) | .entries' "$(entries)" ls .
if command -v script >/dev/null; then
        terminal=$(script -qec "setpriv --reuid=$nobody_uid --regid=$nobody_gid --clear-groups -- fsop ls ." /dev/null)
        lacks "ls on a terminal is not" $'\e' "$terminal"
        contains "… it quotes" "'sp ace'" "$terminal"
        csi=$'\u009b' # which a terminal obeys as it does ESC [
        terminal=$(script -qec "setpriv --reuid=$nobody_uid --regid=$nobody_gid --clear-groups -- fsop --json stat 'a${csi}31m'" /dev/null)
        lacks "JSON on a terminal is not raw either" "$csi" "$terminal"
        contains "… it has the name all the same" 'a\u009B31m' "$terminal"
else
        skip "names on a terminal: needs script"
fi
exits 0 "-- ends the options" n rm -- -dash "$odd" "sp ace" "$long"

# ---- stat, times, modes ---------------------------------------------------------------------------------------------------
exits 0 "touch with a time" n touch -d 1969-12-31T23:59:58.25Z early
json "times before 1970" '"\(.stx_mtime.tv_sec) \(.stx_mtime.tv_nsec)"' "-2 250000000" stat early
exits 0 "touch -r" n touch -r early later
is "… takes both times" '%X %Y' "-2 -2" later
exits 0 "touch -a with @" n touch -a -d @-1.5 later
is "… sets one" '%.9X %.9Y' "-1.500000000 -1.750000000" later
exits 0 "touch -c makes nothing" n touch -c absent
[ ! -e absent ] && ok "… indeed" || fail "… indeed"
exits 1 "touch of a missing directory" n touch absent/
[ ! -e absent ] && ok "… makes no file" || fail "… makes no file"
json "stat has statx's names" '"\(.stx_mode) \(.stx_size) \(.stx_nlink) \(.stx_uid)"' \
        "$(printf '%d %s' "0x$(stat -c %f later)" "$(stat -c '%s %h %u' later)")" stat later
contains "stat for people" "Modify: 1969-12-31" "$(TZ=UTC n stat later)"
chmod 640 later
exits 0 "chmod g=u" n chmod g=u later
is "… copies" %a 660 later
exits 0 "chmod -x as an operand" n chmod u+x later
exits 0 "… " n chmod -x later
is "… took it" %a 660 later
(umask 077 && n chmod +rw later)
is "a mode without who obeys the umask" %a 660 later
for mode in 755 u=rwX,go=rX a-x,u+s g+s,o=t =rw a=rwXs u-w,g+X; do
        touch ours theirs
        chown nobody ours theirs
        chmod 2754 ours theirs
        n --as caller chmod "$mode" ours
        as_nobody chmod "$mode" theirs
        equal "chmod $mode is as chmod(1)'s" "$(stat -c %a theirs)" "$(stat -c %a ours)"
done

# ---- sizes ----------------------------------------------------------------------------------------------------------------
for size in 10K +3 %4K -100 '/1K' '<512' '>2KB' 5G; do
        exits 0 "truncate -s $size" n truncate -s "$size" sized
        truncate -s "$size" "$scratch/sized"
        is "… as truncate(1)" %s "$(stat -c %s "$scratch/sized")" sized
done
exits 0 "truncate -c makes nothing" n truncate -c -s 5 absent
[ ! -e absent ] && ok "… indeed" || fail "… indeed"

# ---- names ----------------------------------------------------------------------------------------------------------------
exits 0 "mkdir -p, some there" n mkdir -p d/e/f d/e/g d
exits 0 "mkdir -p -m with set-gid" n mkdir -p -m 2750 d/h/i
is "… the last one has it" %a 2750 d/h/i
is "… its parent not" %a 755 d/h
exits 1 "mkdir -p over a file" n mkdir -p later
exits 1 "mkdir -p below a file" n mkdir -p later/x
exits 0 "ln" n ln later hard
exits 1 "ln over something" n ln -s x hard
contains "… hints at -f" "-f replaces it" "$output"
exits 0 "ln -sf" n ln -sf x hard
equal "… replaced it" x "$(readlink hard)"
exits 0 "ln -f of the same file" n ln -f later hard
exits 0 "… again" n ln -f later hard
equal "… leaves no temporary name" "" "$(find . -name '.fsop-*')"
exits 0 "ln into a directory" n ln -s ../later d
equal "… has its name" ../later "$(readlink d/later)"
exits 0 "mv into a directory" n mv one two d
[ -e d/one ] && [ -e d/two ] && ok "… moved both" || fail "… moved both"
exits 2 "mv of several into none" n mv d/one d/two later
exits 1 "mv -n over something" n mv -n d/one d/two
exits 0 "rm -r" n rm -r d

# ---- attributes -----------------------------------------------------------------------------------------------------------
n touch attributed
if ! setfattr -n user.probe -v x attributed 2>/dev/null; then
        skip "attributes: this filesystem has no user.*, or there is no setfattr"
else
        setfattr -x user.probe attributed
        exits 0 "an empty value" n setxattr user.a "" attributed
        head -c 3000 /dev/urandom >"$scratch/value"
        n setxattr user.big - attributed <"$scratch/value"
        n getxattr user.big attributed | cmp -s - "$scratch/value" && ok "a value through the pipes" || fail "a value through the pipes"
        equal "base64 as base64(1)" "$(base64 -w0 "$scratch/value")" "$(n getxattr --encoding base64 user.big attributed)"
        exits 0 "hex in" n setxattr --encoding hex user.hex 0x00ff7f attributed
        equal "hex out" 00ff7f "$(n getxattr --encoding hex user.hex attributed)"
        json "a binary value in JSON" .value_b64 AP9/ getxattr user.hex attributed
        json "names in JSON" '.names | sort | join(" ")' "user.a user.big user.hex" listxattr attributed
        exits 2 "a value beyond 64 KiB" as_nobody fsop setxattr user.b - attributed < <(head -c 65537 /dev/zero)
fi

# ---- explain --------------------------------------------------------------------------------------------------------------
json "explain, allowed" '[.allowed, .as, .rule, .operation | tostring] | join(" ")' "true elevated tree chown" \
        explain chown 1234:1234 later
json "explain, beyond the rule" '[.as, .rule | tostring] | join(" ")' "caller null" explain chown 1234:1234 /etc/passwd
is "explain changed nothing" %u "$nobody_uid" later
exits 3 "explain --user is for administrators" n explain --user root stat /
exits 0 "… such as root" fsop explain --user nobody mv "$tree/a" "$tree/b"
exits 3 "so is policy reload" n policy reload
exits 0 "… likewise" fsop policy reload
printf 'rules:\n  - name: x\n    effect: perhaps\n' >"$scratch/etc/bad.yaml"
exits 1 "policy check finds a mistake" env FSOP_SOCKET=/nowhere fsop policy check "$scratch/etc/bad.yaml"
contains "… and says where" "bad.yaml:3:13: error:" "$output"
equal "… in JSON" "3 13 error" "$(fsop --json policy check "$scratch/etc/bad.yaml" | jq -r 'select(.line == 3) | "\(.line) \(.column) \(.severity)"')"
exits 0 "policy check of a good one" fsop policy check "$scratch/etc/policy.d/standard.yaml"

# ---- status ---------------------------------------------------------------------------------------------------------------
n ping >/dev/null
sent=$(fsop --json status | jq -r '.counters | keys[]' | sed -E 's/^(own|uid-[0-9]+)-/WHOSE-/' | sort -u)
explained=$(sed -n '/^\*\*status\*\* counts/,/^## /p' "$FSOP_SOURCE_DIR/proto/PROTOCOL.md" | grep '^| `' | cut -d '|' -f 2 | grep -o '[a-zA-Z][a-zA-Z-]*' | sort -u)
equal "the protocol explains every counter of status, and no other" "$sent" "$explained"

# ---- batch ----------------------------------------------------------------------------------------------------------------
batch=$scratch/batch
cat >"$batch" <<'LINES'
# comments and empty lines count as lines

mkdir -m 700 b
touch 'b/a b' "b/c\"d" b/e\ f $'b/g\n\x41\101\xff'   # four
ln -s "a b" b/link
mv -T 'b/a b' b/moved
truncate -s +5 b/moved
truncate -s +5 b/moved
chmod u=rwx,g=u b/moved
rm -f b/none
stat b/none
bogus
chown 1234: 'b/moved
LINES
chmod 644 "$batch"
exits 5 "a batch in order" n batch "$batch"
for line in 11 12 13; do contains "line $line is named" "line $line:" "$output"; done
equal "its lines fail in their order" "11 12 13" "$(sed -n 's/^fsop: line \([0-9]*\):.*/\1/p' <<<"$output" | tr '\n' ' ' | sed 's/ $//')"
is "each line found what the one before had done" '%s %a' "10 774" b/moved
[ -e $'b/g\nAA\xff' ] && [ -e 'b/c"d' ] && [ -e 'b/e f' ] && ok "quoting" || fail "quoting"
rm -r b
equal "JSON has a line for each" "3 4 4 4 4 5 6 7 8 9 10 11 12 13" "$(n --json batch "$batch" | jq -r .line | tr '\n' ' ' | sed 's/ $//')"
rm -r b
printf 'touch nul\nname\0mkdir z\0' >"$batch"
exits 0 "batch -0" n batch -0 "$batch"
[ -e $'nul\nname' ] && [ -d z ] && ok "a newline is a character there" || fail "a newline is a character there"
printf '%s\n' 'mkdir s1' 'rm -f none' 'rmdir none' 'mkdir s2' >"$batch"
exits 5 "--stop-on-error" n batch --stop-on-error "$batch"
[ -d s1 ] && [ ! -e s2 ] && ok "… stopped" || fail "… stopped"
contains "… and says so" stopped "$output"
equal "… but for JSON's last line" "" "$(n --json batch --stop-on-error "$batch" 2>&1 >/dev/null)"
exits 1 "a batch file that is not there" n batch "$scratch/none"
for i in $(seq 3000); do echo "mkdir many$i"; done >"$batch"
exits 0 "3000 in parallel" n batch --parallel "$batch"
equal "… are there" 3000 "$(find . -name 'many*' | wc -l)"
for i in $(seq 3000); do echo "rmdir many$i"; done >"$batch"
exits 0 "3000 in order" n batch "$batch"
equal "… are gone" 0 "$(find . -name 'many*' | wc -l)"
# Whoever writes line by line is answered line by line.
coproc lines { as_nobody fsop batch; }
answerer=$lines_PID
children+=("$answerer")
in=${lines[0]} out=${lines[1]}
echo "mkdir answered" >&"$out"
wait_until "a line is run before the next one comes" test -d answered && ok "line by line" || fail "line by line"
exec {out}>&-
cat <&"$in" >/dev/null
wait "$answerer" 2>/dev/null

# ---- rm -f ----------------------------------------------------------------------------------------------------------------
: >plain
exits 0 "rm -f below a file" n rm -f plain/none
exits 1 "… which rm minds" n rm plain/none
if loop_mount ext4 "$scratch/data/fixed"; then
        mkdir "$scratch/data/fixed/d"
        mount -o remount,ro "$scratch/data/fixed"
        exits 0 "rm -f of what a read-only filesystem does not have" n --as caller rm -f "$scratch/data/fixed/none"
        exits 0 "… rm -rf" n --as caller rm -rf "$scratch/data/fixed/none"
        exits 1 "… of what it has" n --as caller rm -rf "$scratch/data/fixed/d"
        contains "… says why" EROFS "$output"
fi

# ---- ends -----------------------------------------------------------------------------------------------------------------
exits 1 "a full standard output" bash -c "fsop ls / >/dev/full"
contains "… is told" "standard output" "$output"
for option in --help --version "--check-config --config $scratch/etc/fsopd.yaml"; do
        exits 1 "… of fsopd ${option%% *}" bash -c "fsopd $option >/dev/full"
        contains "… says so" "cannot write to standard output" "$output"
done
# $1 is opened for reading as well until there is one for writing.
exits 1 "a reader that has left" bash -c 'mkfifo "$1"; exec 8<>"$1" 9>"$1" 8<&-; fsop ls / >&9' - "$scratch/left"
equal "… is not told so" "" "$output"
exits 3 "a closed standard error" bash -c "exec \"\$@\" 2>&-" - "${nobody[@]}" "$bin/fsop" chown root /
exits 0 "… and then" n ping
lacks "… is not the connection" "not a frame" "$(cat "$daemon_log")"

# ---- interrupts -----------------------------------------------------------------------------------------------------------
# Of a copy that nobody waits for: its source is read slowly.
helper hungfs
mkdir slow
mkfifo "$scratch/said"
"$bin/hungfs" slow slow 50 >"$scratch/said" &
children+=($!)
read -r said <"$scratch/said"
interrupt() { # PID OF A COMMAND THAT COPIES: once it does
        wait_until "the copy begins" test -s copy || fail "the copy begins"
        kill -TERM "$1"
        status=0
        wait "$1" || status=$?
}
case $said in
SKIP*) skip "interrupts: ${said#SKIP: }" ;;
*)
        mounts+=("$tree/slow")
        "${nobody[@]}" "$bin/fsop" copy-range --clone never slow/large copy 2>/dev/null &
        children+=($!)
        interrupt $!
        equal "an interrupted command ends by its signal" 143 "$status"
        size=$(stat -c %s copy)
        [ "$size" -lt 1073741824 ] && ok "… and the copy was cancelled" || fail "… and the copy was cancelled" "$size bytes"
        for json in "" --json; do
                rm -f copy
                { echo "touch begun"; echo "copy-range --clone never slow/large copy"; seq -f 'mkdir later%g' 200; } >many
                "${nobody[@]}" "$bin/fsop" ${json:+"$json"} batch many >said 2>&1 &
                children+=($!)
                interrupt $!
                equal "an interrupted batch $json ends by its signal" 143 "$status"
                if [ "$json" ]; then
                        equal "… with a line for each operation" 202 "$(wc -l <said)"
                        equal "… and nothing else" "" "$(grep -v '^{.*}$' said)"
                else
                        equal "… with a line for what was under way, and one for the rest" 2 "$(wc -l <said)"
                        contains "… the one" "line 2: copy-range" "$(head -n 1 said)"
                        equal "… the other" "fsop: interrupted: 1 done, 1 failed, 200 not begun" "$(tail -n 1 said)"
                fi
        done
        rm -f copy many said
        ;;
esac
exits 0 "the daemon goes on" n ping
finish
