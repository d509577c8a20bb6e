#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# build: plain
# readme.sh: what the README shows does what it says: its policy, its tour as that policy's user, its programs and those of docs/;
# and every key that the daemon knows is explained in docs/.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
need_command jq jq
getent passwd www-data >/dev/null || skip_all "the tour gives files to www-data, who is no user here"

readme=$FSOP_SOURCE_DIR/README.md tree=$images/build
# block FILE LANGUAGE NUMBER: a block of code
block() {
        awk -v fence="\`\`\`$2" -v wanted="$3" '
                $0 == "```" { inside = 0 }
                inside && n == wanted { print }
                $0 == fence { inside = 1; n++ }' "$1"
}

# ---- the policy and the tour: nobody is the builder, in a directory of ours ---------------------------------------------------
here() { sed "s|/srv/build|$tree|g; s|10G|16M|g; s/builder/nobody/g; s/nobody:nobody/65534:65534/"; }
install -d -o nobody "$tree" "$tree/out" "$tree/dev"
echo hello >"$tree/out/index.html"
block "$readme" yaml 1 | here | write_policy builder
exits 0 "the policy" fsopd --check-policy "$scratch/etc/policy.d/builder.yaml"
equal "… is good" "1 rule is good" "$(tail -n 1 <<<"$output")"
start_daemon
cd "$tree" || die "cannot enter $tree"
n_commands=0
while read -r line; do
        n_commands=$((n_commands + 1))
        exits 0 "$line" as_nobody bash -c "set -o pipefail; $line"
done < <(sed -n 's/^builder\$ //p' "$readme" | here)
[ "$n_commands" -ge 10 ] && ok "the tour has $n_commands commands" || fail "the tour has commands" "$n_commands"
equal "the tree is another user's" "www-data" "$(stat -c %U "$tree/out/index.html")"
equal "the copy is too" "www-data hello" "$(stat -c %U "$tree/copy/index.html") $(cat "$tree/copy/index.html")"
equal "the node is one" "character special file 1:3 666" "$(stat -c '%F %t:%T %a' "$tree/dev/null")"
equal "the lines of the batch have run" 999 "$(find "$tree" -maxdepth 1 -size 4k -name '[0-9]*' -printf x | wc -c)"
[ ! -e "$tree/disk.img" ] && ok "the image is gone again" || fail "the image is gone again"

# ---- every key --------------------------------------------------------------------------------------------------------------------
# explained FILE TEXT: every key that is listed in "unknown key '…'; allowed are …" begins a row of a table there
explained() {
        local file=$FSOP_SOURCE_DIR/docs/$1 key keys
        keys=$(sed -n "s/.*unknown key '.*'; allowed are //p" <<<"$2" | sed 's/ or /, /')
        [ -n "$keys" ] || fail "$1: the keys are listed" "$2"
        for key in ${keys//,/}; do
                grep -q "^| \`$key\` " "$file" || fail "$1 explains $key"
        done
        ok "$1 explains $(wc -w <<<"$keys") keys"
}
printf 'rules:\n  - name: a\n    xyzzy: 1\n' >"$scratch/wrong.yaml"
explained policy.md "$(fsopd --check-policy "$scratch/wrong.yaml" 2>&1)"
echo "xyzzy: 1" >"$scratch/wrong.yaml"
explained configuration.md "$(fsopd --config "$scratch/wrong.yaml" --check-config 2>&1)"
printf 'limits:\n  xyzzy: 1\n' >"$scratch/wrong.yaml"
explained limits.md "$(fsopd --config "$scratch/wrong.yaml" --check-config 2>&1)"
block "$FSOP_SOURCE_DIR/docs/policy.md" yaml 1 >"$scratch/rules.yaml"
exits 0 "the rules of docs/policy.md" fsopd --check-policy "$scratch/rules.yaml"
contains "… are good" "3 rules are good" "$output"
block "$FSOP_SOURCE_DIR/docs/limits.md" yaml 1 >"$scratch/limits.yaml"
mkdir "$scratch/no-rules" # here users may not be in the group fsop, where there is one
exits 0 "the settings of docs/limits.md" fsopd --config "$scratch/limits.yaml" --policy-dir "$scratch/no-rules" --check-config

# ---- the programs ---------------------------------------------------------------------------------------------------------------
compiles() {
        local what=$1
        exits 0 "$what compiles" gcc -xc -std=c11 -Wall -Wextra -Werror -I"$FSOP_SOURCE_DIR/client" -I"$FSOP_SOURCE_DIR/proto" -fsyntax-only "$2"
}
# program INCLUDES STATEMENTS
program() { printf '%s\n' "$1" "int main(void) {" "$2" "return 0; }"; }
split() { program "$(grep '^#' <<<"$1")" "$(grep -v '^#' <<<"$1")"; }
split "$(block "$readme" c 1)" >"$scratch/readme.c"
compiles "the README's program" "$scratch/readme.c"
first=$(block "$FSOP_SOURCE_DIR/docs/library.md" c 1) second=$(block "$FSOP_SOURCE_DIR/docs/library.md" c 2)
[ -n "$second" ] && ok "docs/library.md has two programs" || fail "docs/library.md has two programs"
split "$first"$'\n'"{ $second }" >"$scratch/library.c"
compiles "those of docs/library.md, one after the other," "$scratch/library.c"
finish
