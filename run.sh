#!/usr/bin/env bash
# The way in on Linux and macOS. `bash run.sh`: everyone in refs/, this computer's photo folders, copies to found/ on
# the stick. With flags it is the command line. On a fresh clone it first downloads what is missing; after that it
# starts face_finder.py at once. What it says itself goes to the error output.

face_finder() {
    local self="${BASH_SOURCE[0]}" link home platform python argument
    while [ -L "$self" ]; do
        link=$(readlink "$self")
        case "$link" in /*) self=$link ;; *) self=${self%"${self##*/}"}$link ;; esac
    done
    case "$self" in */*) home=$(cd "${self%/*}" && pwd -P) ;; *) home=$(pwd -P) ;; esac || return

    # shellcheck source=bootstrap/host.sh
    . "$home/bootstrap/host.sh"
    platform=$(face_finder_platform) || return
    # On a stick, nothing is checked and nothing fetched: it is made once, with all that belongs on it.
    if [ ! -e "$home/MANIFEST.sha256" ]; then
        python=$(face_finder_python "$home" "$platform") || return
        face_finder_set_up "$home" "$platform" "$python" "$@" || return
    elif [ ! -e "$home/lib/vendor/$platform/LOCK.txt" ]; then
        echo "This stick was not made for this kind of computer ($platform). Make it again on the computer that made" \
            "it, with:  python3 bootstrap/build.py --platform $platform --to STICK" >&2
        return 9
    fi

    if face_finder_may_execute "$home" "$platform"; then
        unset FACE_FINDER_BUNDLE
        python=$(face_finder_python "$home" "$platform") || return
        # Nothing to do after a command line: this shell can go. No packages of the user's, no modules from the
        # current folder, no bytecode written. Not -I: worker processes inherit the flags, and with it they would
        # not see the PYTHONPATH that face_finder.py gives them.
        [ $# -eq 0 ] || exec "$python" -s -P -B "$home/face_finder.py" "$@"
        "$python" -s -P -B "$home/face_finder.py"
    else
        face_finder_from_a_copy "$home" "$platform" "$@"
    fi
    local code=$?
    # 3: there is nobody in refs/ to look for.
    if [ $# -eq 0 ] && [ $code -eq 3 ]; then face_finder_show "$home/refs"; fi
    return $code
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    face_finder "$@"
    exit
else
    # Sourced: in a shell of its own, so that the user's stays.
    (face_finder "$@")
fi
