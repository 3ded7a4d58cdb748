# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of hearby: the program knows the words. bash breaks words at @, = and : and wants only the last piece.
_hearby ()
{
  local line=${COMP_LINE:0:COMP_POINT} words cut
  read -ra words <<< "$line" && [[ $line != *' ' ]] || words+=('')
  mapfile -t COMPREPLY < <(command hearby complete "${words[@]:1}" 2>/dev/null)
  cut=${words[-1]%"${COMP_WORDS[COMP_CWORD]##[@=:]}"}
  COMPREPLY=("${COMPREPLY[@]#"$cut"}")
  [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace
}
complete -o default -F _hearby hearby
