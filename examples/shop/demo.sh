#!/usr/bin/env bash
# Shows faultline at work on a real mesh of this machine: first the experiments
# that must hold (exit code 0), then one that must not (exit code 1), then that
# nothing was left behind. Ends with 0 only if all of this came true.
#
# FAULTLINE, SHOP, EXPERIMENTS and REPORT replace the paths below.
set -euo pipefail
cd "$(dirname "$0")/../.."

faultline=${FAULTLINE:-bin/faultline}
shop=${SHOP:-bin/shop}
experiments=${EXPERIMENTS:-examples/shop/experiments}
report=${REPORT:-build/report}
deviating=$experiments/inventory-has-no-fallback.yaml

holding=()
for file in "$experiments"/*.yaml; do
	[[ $file == "$deviating" ]] || holding+=("$file")
done

problems=()
step() { printf '\n== %s\n' "$*"; }

# expect CODE COMMAND... runs the command and notes it if it exits otherwise.
expect() {
	local want=$1 got=0
	shift
	printf '$ %s\n' "$*" >&2
	"$@" || got=$?
	if ((got != want)); then
		problems+=("exit code $got, expected $want: $*")
	fi
}

directory=$(mktemp -d "${TMPDIR:-/tmp}/faultline-demo.XXXXXX")
export KUBECONFIG=$directory/kubeconfig

finish() {
	local status=$? problem
	trap - EXIT
	step "The mesh goes down"
	expect 0 "$faultline" mesh down --dir "$directory"
	((${#problems[@]} == 0)) || status=1
	if ((status != 0)); then
		step "The demo did not go as told"
		for problem in "${problems[@]}"; do printf '%s\n' "$problem"; done
		printf 'the files of the mesh are in %s\n' "$directory"
		exit "$status"
	fi
	rm -rf "$directory"
	step "As told: the experiments of ${#holding[@]} files held, one deviated, nothing was left behind"
	printf 'reports: %s\n' "$report"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step "A mesh with the shop in it comes up"
expect 0 "$faultline" mesh up --detach --dir "$directory" -f examples/shop/mesh --image "faultline/shop=$shop"
((${#problems[@]} == 0)) || exit 1

step "These experiments hold: exit code 0"
expect 0 "$faultline" run --report "$report" "${holding[@]}"

step "This one must not, for checkout has no fallback for inventory: exit code 1"
expect 1 "$faultline" run --report "$report/deviated" "$deviating"

step "Faults still in the mesh: none"
left=$directory/leftovers
expect 0 "$faultline" leftovers >"$left"
if [[ -s $left ]]; then
	cat "$left"
	problems+=("faults were left behind")
fi
