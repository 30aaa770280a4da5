# shellcheck shell=bash
# bash completion for derivctl(1). What there is to complete, derivctl itself says: --help, and the lists for ids.

_derivctl_commands() {
	LC_ALL=C derivctl --help 2>/dev/null | sed -n 's/^  \([a-z]\+\( [a-z]\+\)\?\)  .*/\1/p'
}

# Ids of a list; nothing when derivd is away or the roles do not allow it.
_derivctl_ids() {
	LC_ALL=C derivctl "${tree[@]}" --json "$1" list 2>/dev/null |
		sed -n 's/^{"id":"\([0-9a-f]*\)".*/\1/p'
}

_derivctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local words=() tree=() i usage=
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-C)
			tree=(-C "${COMP_WORDS[i + 1]}")
			i=$((i + 1))
			;;
		--lang) i=$((i + 1)) ;;
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
	case $before in
	--lang) mapfile -t COMPREPLY < <(compgen -W 'en de' -- "$cur") && return ;;
	-C | --extract | --keys) mapfile -t COMPREPLY < <(compgen -d -- "$cur") && return ;;
	--output | --anchor | --intermediate | --deployment | --anchors | --escrow) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
	--device | --request) mapfile -t COMPREPLY < <(compgen -W "$(_derivctl_ids "${before#--}")" -- "$cur") && return ;;
	--reason)
		mapfile -t COMPREPLY < <(compgen -W 'unspecified key-compromise affiliation-changed superseded cessation
			privilege-withdrawn' -- "$cur") && return
		;;
	--operator | --officer | --auditor) mapfile -t COMPREPLY < <(compgen -u -- "$cur") && return ;;
	--other-certificates) mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$cur") && return ;;
	--purposes) mapfile -t COMPREPLY < <(compgen -W 'authentication signing encryption' -- "$cur") && return ;;
	esac
	if [[ $cur == -* ]]; then
		[[ ${#words[@]} -eq 0 ]] ||
			usage=$(LC_ALL=C derivctl "${words[@]:0:2}" --help 2>/dev/null | grep -o -e '--[a-z-]*')
		mapfile -t COMPREPLY < <(compgen -W "$usage --json --plain --lang --help" -- "$cur")
		return
	fi
	case ${#words[@]} in
	0) mapfile -t COMPREPLY < <(compgen -W "$(_derivctl_commands | cut -d ' ' -f 1 | sort -u)" -- "$cur") ;;
	1)
		if [[ ${words[0]} == backup || ${words[0]} == restore ]]; then
			mapfile -t COMPREPLY < <(compgen -d -- "$cur")
			return
		fi
		mapfile -t COMPREPLY < <(compgen -W "$(_derivctl_commands | sed -n "s/^${words[0]} //p")" -- "$cur")
		;;
	2)
		case "${words[*]}" in
		"evidence show" | "evidence verify")
			mapfile -t COMPREPLY < <(compgen -W "$(_derivctl_ids credential)" -- "$cur" && compgen -f -- "$cur")
			;;
		"change approve")
			mapfile -t COMPREPLY < <(compgen -W "$(LC_ALL=C derivctl "${tree[@]}" --json change show 2>/dev/null |
				sed -n 's/^{"digest":"\([0-9a-f]*\)".*/\1/p')" -- "$cur")
			;;
		*" list" | "change show") ;;
		*) mapfile -t COMPREPLY < <(compgen -W "$(_derivctl_ids "${words[0]}")" -- "$cur") ;;
		esac
		;;
	esac
}
complete -F _derivctl derivctl
