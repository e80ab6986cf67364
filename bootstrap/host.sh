# What run.sh and tests/run.sh need to know about this computer. For bash 3.2 and later; to be sourced.
# Only bash's own commands are used: with everything in place, nothing is started before Python.

# Prints the platform's name, such as linux-x86_64.
face_finder_platform() {
    case "$OSTYPE/$HOSTTYPE" in
        linux*/x86_64) echo linux-x86_64 ;;
        linux*/aarch64) echo linux-aarch64 ;;
        darwin*/arm64 | darwin*/aarch64) echo macos-arm64 ;;
        *)
            echo "This computer ($OSTYPE, $HOSTTYPE) is not supported." \
                "Face Finder runs on Linux (x86-64, ARM64), macOS on Apple chips, and Windows (run.bat)." >&2
            return 2
            ;;
    esac
}

# Prints a Python 3.11: the one that travels with the folder, else the computer's own. $1: folder, $2: platform.
face_finder_python() {
    local bundled="$1/python/$2/bin/python3.11"
    if [ -x "$bundled" ]; then
        echo "$bundled"
    elif command -v python3.11; then
        :
    elif command -v python3 >/dev/null && python3 -I -S -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
        command -v python3
    else
        echo "Python 3.11 was not found on this computer. Install it and start again" \
            "(Debian 12: sudo apt install python3 python3-pip; macOS: brew install python@3.11)." >&2
        return 2
    fi
}

# True where both files are there and hold the same text.
face_finder_same() {
    [ -r "$1" ] && [ -r "$2" ] && [ "$(<"$1")" = "$(<"$2")" ]
}

# True where the packages and models lie there as the project pins them now. $1: folder, $2: platform.
face_finder_is_set_up() {
    local vendor="$1/lib/vendor" pack name
    face_finder_same "$1/models/models.json" "$1/models/.complete" || return 1
    for pack in "$vendor/$2" "$vendor/$2"+*; do
        name=${pack##*/}
        case "$name" in *"+*" | *.part | *.old) continue ;; esac
        face_finder_same "$1/bootstrap/locks/${name/+/.}.txt" "$pack/LOCK.txt" || return 1
    done
}

# Fetches what a clone lacks. $1: folder, $2: platform, $3: Python; then the user's flags.
face_finder_set_up() {
    local home="$1" platform="$2" python="$3" argument missing=() extra=()
    shift 3
    face_finder_is_set_up "$home" "$platform" || missing=("the program's packages and models")
    for argument in "$@"; do
        if [ "$argument" = --demo ] && ! face_finder_same "$home/bootstrap/demo.json" "$home/demo/.complete"; then
            missing+=("the demo photos")
            extra=(--demo)
        fi
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "Setting up, this once: fetching ${missing[0]}${missing[1]:+ and ${missing[1]}}." >&2
    "$python" -B "$home/bootstrap/build.py" ${extra[@]+"${extra[@]}"} >&2 || return
    echo >&2
}

# False where the system lets nothing on the stick be executed, as with a mount option of Linux. $1: folder,
# $2: platform. The system says so of any file that is executable elsewhere: the interpreter, else a library.
face_finder_may_execute() {
    local file
    for file in "$1/python/$2/bin/python3.11" "$1/lib/vendor/$2"/*/*.so; do
        if [ -e "$file" ]; then
            [ -x "$file" ]
            return
        fi
    done
}

# Copies interpreter, packages and program to a temporary folder, starts them there and deletes them afterwards.
# $1: folder, $2: platform; then the user's flags.
face_finder_from_a_copy() {
    local home="$1" platform="$2" copy python code folder
    shift 2
    copy=$(mktemp -d "${TMPDIR:-/tmp}/face-finder.XXXXXX") || return
    # shellcheck disable=SC2064 # the folder's name of now
    trap "rm -rf '$copy'" EXIT
    echo "Programs on the stick may not be started here. Copying the program to $copy; it is deleted at the end." >&2
    mkdir -p "$copy/lib/vendor" "$copy/python"
    cp -R "$home/lib/facefinder" "$copy/lib/" || return
    for folder in "$home/lib/vendor/$platform" "$home/lib/vendor/$platform"+*; do
        if [ -d "$folder" ]; then cp -R "$folder" "$copy/lib/vendor/" || return; fi
    done
    if [ -d "$home/python/$platform" ]; then
        cp -R "$home/python/$platform" "$copy/python/" || return
        chmod -R u+x "$copy/python/$platform/bin"
    fi
    python=$(face_finder_python "$copy" "$platform") || return
    # Not stopped by Ctrl-C before Python is: the copy has to be deleted.
    trap : INT
    FACE_FINDER_BUNDLE="$copy" "$python" -s -P -B "$home/face_finder.py" "$@"
    code=$?
    trap - INT
    return $code
}

# Opens a folder on the user's screen, where there is one. $1: folder.
face_finder_show() {
    case "$OSTYPE" in
        darwin*) open "$1" ;;
        *) [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || xdg-open "$1" >/dev/null 2>&1 ;;
    esac
    return 0
}

# The computer's own Python settings (PYTHONPATH, PYTHONHOME and the like) must have no influence.
unset ${!PYTHON@}
