#!/usr/bin/env bash
# The way in on Linux and macOS: `bash run.sh [flags]`. On a fresh clone it first downloads what is missing; after
# that it starts face_finder.py at once. What it says itself goes to the error output.

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
    python=$(face_finder_python "$home" "$platform") || return

    local missing=() extra=()
    face_finder_is_set_up "$home" "$platform" || missing=("the program's packages and models")
    for argument in "$@"; do
        if [ "$argument" = --demo ] && ! face_finder_same "$home/bootstrap/demo.json" "$home/demo/.complete"; then
            missing+=("the demo photos")
            extra=(--demo)
        fi
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "Setting up, this once: fetching ${missing[0]}${missing[1]:+ and ${missing[1]}}." >&2
        "$python" -B "$home/bootstrap/build.py" ${extra[@]+"${extra[@]}"} >&2 || return
        echo >&2
    fi
    # No packages of the user's, no modules from the current folder, no bytecode written. Not -I: worker processes
    # inherit the flags, and with it they would not see the PYTHONPATH that face_finder.py gives them.
    exec "$python" -s -P -B "$home/face_finder.py" "$@"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    face_finder "$@"
    exit
else
    # Sourced: in a shell of its own, so that the user's stays.
    (face_finder "$@")
fi
