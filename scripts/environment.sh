# Sourced by the other scripts: one Python environment in .venv, made once and made again when pyproject.toml changes
# what it needs, and the Debian packages that no Python package brings. Call from the repository's root.
#
#   environment base   what playing and converting need       (scripts/demo)
#   environment all    besides, training, and the checks      (scripts/test)

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

stop() {
  say "$*"
  exit 1
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  stop "no Python 3.11 or newer was found: install it (Debian: apt install python3 python3-venv) or name it, PYTHON=… $0"
}

# Whether one of the folders holds a file whose path fits the pattern.
is_there() {
  local pattern=$1
  shift
  [ -n "$(find "$@" -path "$pattern" -print -quit 2>/dev/null || true)" ]
}

# Prints the Debian packages of the libraries that Qt loads and this machine lacks.
missing_window_libraries() {
  "$1" - <<'PYTHON'
import ctypes
wanted = {
    "libEGL.so.1": "libegl1", "libGL.so.1": "libgl1", "libfontconfig.so.1": "libfontconfig1", "libdbus-1.so.3": "libdbus-1-3",
    "libglib-2.0.so.0": "libglib2.0-0", "libxkbcommon.so.0": "libxkbcommon0", "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0", "libxcb-icccm.so.4": "libxcb-icccm4", "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1", "libxcb-randr.so.0": "libxcb-randr0", "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-render-util.so.0": "libxcb-render-util0", "libxcb-xkb.so.1": "libxcb-xkb1", "libxcb-sync.so.1": "libxcb-sync1",
    # The browser in which the listening test is tried: Qt's WebEngine.
    "libnss3.so": "libnss3", "libasound.so.2": "libasound2", "libgbm.so.1": "libgbm1", "libudev.so.1": "libudev1",
    "libexpat.so.1": "libexpat1", "libXcomposite.so.1": "libxcomposite1", "libXdamage.so.1": "libxdamage1",
    "libXrandr.so.2": "libxrandr2", "libXtst.so.6": "libxtst6", "libxkbfile.so.1": "libxkbfile1",
    "libxcb-dri3.so.0": "libxcb-dri3-0",
}
for library, package in wanted.items():
    try:
        ctypes.CDLL(library)
    except OSError:
        print(package)
PYTHON
}

# Prints the Debian packages that are missing for the given purpose, found by what they bring, not by their names.
missing_packages() {
  local python=$1 purpose=$2
  if [ "$(uname -s)" = Linux ]; then
    "$python" -c 'import ctypes.util, sys; sys.exit(ctypes.util.find_library("portaudio") is None)' || echo libportaudio2
  fi
  if [ "$purpose" = all ]; then
    command -v jackd >/dev/null && command -v jack_wait >/dev/null || echo jackd2
    # The library that finds and loads LV2 plugins, and real plugins to try it with.
    if [ "$(uname -s)" = Linux ]; then
      "$python" -c 'import ctypes; ctypes.CDLL("liblilv-0.so.0")' 2>/dev/null || echo liblilv-0-0
      [ -f /usr/share/sounds/sf2/TimGM6mb.sf2 ] || echo timgm6mb-soundfont
      is_there '*/mda.lv2/manifest.ttl' /usr/lib/lv2 /usr/local/lib/lv2 || echo mda-lv2
      # What Qt's window needs, a screen that nobody sees to open it on, and a hand that types and clicks.
      missing_window_libraries "$python"
      command -v Xvfb >/dev/null || echo xvfb
      command -v xdotool >/dev/null || echo xdotool
      is_there '*.ttf' /usr/share/fonts /usr/local/share/fonts || echo fonts-dejavu-core
    fi
  fi
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
    sudo -n true 2>/dev/null || stop "these system packages are missing and this user may not install them, so install them and come back: $*"
  fi
  command -v apt-get >/dev/null || stop "these packages (Debian's names) are missing, so install them as your system does and come back: $*"
  say "installing the Debian packages $*"
  local options=(-qq -o DPkg::Lock::Timeout=300 -o APT::Update::Error-Mode=any)
  "${as_root[@]}" apt-get "${options[@]}" update >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install -y --no-install-recommends "$@" >&2
}

# What the environment must hold, as one word: changes when a dependency, a command or an entry point does.
wanted() {
  "$1" - "$2" <<'PYTHON'
import hashlib, json, sys, tomllib
with open("pyproject.toml", "rb") as file:
    settings = tomllib.load(file)
with open("scripts/environment.sh", "rb") as file:  # it names what is installed besides
    steps = hashlib.sha256(file.read()).hexdigest()
wanted = json.dumps([settings["build-system"], settings["project"], steps], sort_keys=True)
print(sys.argv[1], hashlib.sha256(wanted.encode()).hexdigest())
PYTHON
}

environment() {
  local purpose=$1 python missing=() stamp=.venv/retimbre-installed wish
  python=$(find_python)
  mapfile -t missing < <(missing_packages "$python" "$purpose")
  if [ "${#missing[@]}" -gt 0 ]; then
    install_packages "${missing[@]}"
  fi
  if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "making the environment .venv"
    rm -rf .venv
    "$python" -m venv .venv
  fi
  # An environment for everything serves the demo too.
  for wish in "$purpose" all; do
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(wanted .venv/bin/python "$wish")" ]; then
      return
    fi
  done
  say "installing Python packages into .venv (the first time takes minutes)"
  local pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
  if [ "$purpose" = all ]; then
    "${pip[@]}" -e '.[train,plugins,listen,dev]'
    # Its own requirements name onnxruntime, which overwrites the onnxruntime-gpu that is there.
    "${pip[@]}" --no-deps 'swift-f0>=0.1.2'
    # Likewise pyaudio, which would have to be built.
    "${pip[@]}" --no-deps 'tinysoundfont>=0.3'
  else
    "${pip[@]}" -e .
  fi
  wanted .venv/bin/python "$purpose" >"$stamp"
}
