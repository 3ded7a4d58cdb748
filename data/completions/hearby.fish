# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion of hearby: the program knows the words.
function __hearby_complete
    set -l words (commandline -opc)
    command hearby complete $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c hearby -a '(__hearby_complete)'
