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

# The computer's own Python settings (PYTHONPATH, PYTHONHOME and the like) must have no influence.
unset ${!PYTHON@}
