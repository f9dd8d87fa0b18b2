"""Plugins for the tests: an LV2 bundle written in C here, whose plugins crash, hang and misbehave when told to."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.plugins.rack import Rack

FloatArray = NDArray[np.float32]

MDA = "http://drobilla.net/plugins/mda/"
TEST = "urn:retimbre-test:"
DELAY = 37

# Ports: 0 level, 1 trouble, 2 mode, 3 latency, then audio in, audio out, and for "work" an event port each way.
_SOURCE = r"""
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <unistd.h>

typedef struct { const char *uri; void *data; } Feature;
typedef struct { void *handle; uint32_t (*map)(void *, const char *); } Map;
typedef struct { void *handle; int (*schedule)(void *, uint32_t, const void *); } Schedule;
typedef struct { uint32_t context, subject; uint32_t key, size, type; const void *value; } Option;
typedef int (*Respond)(void *, uint32_t, const void *);
typedef struct {
    const char *uri;
    void *(*instantiate)(const void *, double, const char *, const Feature *const *);
    void (*connect)(void *, uint32_t, void *);
    void (*activate)(void *);
    void (*run)(void *, uint32_t);
    void (*deactivate)(void *);
    void (*cleanup)(void *);
    const void *(*extension)(const char *);
} Descriptor;

#define DELAY 37
enum { LATE, CRASH, HANG, SPIN, NOTNUMBER, WIDE, FOLD, SWAP, WORK, EARLY, NEVER, KINDS };
static const char *names[KINDS] = {"late", "crash", "hang", "spin", "notnumber", "wide", "fold", "swap", "work",
                                   "early", "never"};
static const int ins[KINDS] = {1, 1, 1, 1, 1, 1, 2, 2, 1, 1, 1}, outs[KINDS] = {1, 1, 1, 1, 1, 2, 1, 2, 1, 1, 1};
static char uris[KINDS][64];
static Descriptor descriptors[KINDS];

typedef struct {
    int kind;
    float *port[16];
    float past[DELAY];
    int place, asked;
    float answered;
    uint32_t sequence, chunk, longest;
    const Schedule *schedule;
} Plugin;

static void *instantiate(const void *descriptor, double rate, const char *path, const Feature *const *features)
{
    Plugin *p = calloc(1, sizeof(Plugin));
    p->kind = (int)((const Descriptor *)descriptor - descriptors);
    if (p->kind == EARLY) abort();
    while (p->kind == NEVER) pause();
    const Map *map = NULL;
    const Option *options = NULL;
    for (; *features; features++) {
        if (!strcmp((*features)->uri, "http://lv2plug.in/ns/ext/urid#map")) map = (*features)->data;
        if (!strcmp((*features)->uri, "http://lv2plug.in/ns/ext/options#options")) options = (*features)->data;
        if (!strcmp((*features)->uri, "http://lv2plug.in/ns/ext/worker#schedule")) p->schedule = (*features)->data;
    }
    if (map) {
        p->sequence = map->map(map->handle, "http://lv2plug.in/ns/ext/atom#Sequence");
        p->chunk = map->map(map->handle, "http://lv2plug.in/ns/ext/atom#Chunk");
        uint32_t longest = map->map(map->handle, "http://lv2plug.in/ns/ext/buf-size#maxBlockLength");
        for (; options && options->key; options++)
            if (options->key == longest) p->longest = *(const int32_t *)options->value;
    }
    return p;
}

static void connect(void *self, uint32_t port, void *data) { ((Plugin *)self)->port[port] = data; }
static void activate(void *self) { memset(((Plugin *)self)->past, 0, sizeof(float) * DELAY); }
static void cleanup(void *self) { free(self); }

static void run(void *self, uint32_t frames)
{
    Plugin *p = self;
    int n_in = ins[p->kind], trouble = *p->port[1] > 0.5f;
    float level = *p->port[0], **in = p->port + 4, **out = p->port + 4 + n_in;
    *p->port[3] = p->kind == LATE ? DELAY : 0;
    if (trouble && p->kind == CRASH) *(volatile int *)0 = 1;
    while (trouble && p->kind == HANG) pause();
    static volatile int forever = 1;
    while (trouble && p->kind == SPIN && forever) {}
    if (p->kind == WORK) {
        const uint32_t *events = (const uint32_t *)in[2], *room = (const uint32_t *)in[3];
        if (!p->asked) {
            float wish = level;
            p->asked = 1;
            p->schedule->schedule(p->schedule->handle, sizeof wish, &wish);
        }
        int well = events[0] == 8 && events[1] == p->sequence && room[0] >= 4096 && room[1] == p->chunk;
        level = well && frames <= p->longest ? p->answered : 0;
    }
    for (uint32_t i = 0; i < frames; i++) {
        float x = in[0][i], y = n_in > 1 ? in[1][i] : x;
        switch (p->kind) {
        case LATE:
            out[0][i] = level * p->past[p->place];
            p->past[p->place] = x;
            p->place = (p->place + 1) % DELAY;
            break;
        case WIDE: out[0][i] = x; out[1][i] = 0.5f * x; break;
        case FOLD: out[0][i] = x - y; break;
        case SWAP: out[0][i] = y; out[1][i] = x; break;
        case NOTNUMBER: out[0][i] = trouble ? NAN : level * x; break;
        default: out[0][i] = level * x;
        }
    }
}

static int work(void *self, Respond respond, void *handle, uint32_t size, const void *data)
{
    float answer = 2.0f * *(const float *)data;
    return respond(handle, size == sizeof answer ? sizeof answer : 0, &answer);
}

static int work_response(void *self, uint32_t size, const void *data)
{
    if (size == sizeof(float)) ((Plugin *)self)->answered = *(const float *)data;
    return 0;
}

static const void *extension(const char *uri)
{
    static const struct { void *work, *response, *end; } worker = {work, work_response, NULL};
    return strcmp(uri, "http://lv2plug.in/ns/ext/worker#interface") ? NULL : &worker;
}

const Descriptor *lv2_descriptor(uint32_t index)
{
    if (index >= KINDS) return NULL;
    strcat(strcpy(uris[index], "urn:retimbre-test:"), names[index]);
    descriptors[index] = (Descriptor){uris[index], instantiate, connect, activate, run, NULL, cleanup, extension};
    return &descriptors[index];
}
"""

_PREFIXES = """
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix atom: <http://lv2plug.in/ns/ext/atom#> .
@prefix doap: <http://usefulinc.com/ns/doap#> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> .
@prefix pprops: <http://lv2plug.in/ns/ext/port-props#> .
@prefix pset: <http://lv2plug.in/ns/ext/presets#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix units: <http://lv2plug.in/ns/extensions/units#> .
"""
_CONTROLS = """
  [ a lv2:InputPort, lv2:ControlPort ; lv2:index 0 ; lv2:symbol "level" ; lv2:name "Level" ; lv2:default 1.0 ;
    lv2:minimum 0.0 ; lv2:maximum 2.0 ; units:unit units:coef ; lv2:portProperty pprops:logarithmic ],
  [ a lv2:InputPort, lv2:ControlPort ; lv2:index 1 ; lv2:symbol "trouble" ; lv2:name "Trouble" ; lv2:default 0 ;
    lv2:minimum 0 ; lv2:maximum 1 ; lv2:portProperty lv2:toggled ],
  [ a lv2:InputPort, lv2:ControlPort ; lv2:index 2 ; lv2:symbol "mode" ; lv2:name "Mode" ; lv2:default 1 ;
    lv2:minimum 0 ; lv2:maximum 4 ; units:unit units:db ; lv2:portProperty lv2:enumeration, lv2:integer ;
    lv2:scalePoint [ rdfs:label "Thick" ; rdf:value 4 ], [ rdfs:label "Thin" ; rdf:value 1 ] ],
  [ a lv2:OutputPort, lv2:ControlPort ; lv2:index 3 ; lv2:symbol "latency" ; lv2:name "Latency" ;
    lv2:designation lv2:latency ; lv2:portProperty lv2:reportsLatency ]"""
_KINDS = {
    "late": (1, 1), "crash": (1, 1), "hang": (1, 1), "spin": (1, 1), "notnumber": (1, 1), "wide": (1, 2),
    "fold": (2, 1), "swap": (2, 2), "work": (1, 1), "early": (1, 1), "never": (1, 1),
}  # fmt: skip


def _text(name: str, inputs: int, outputs: int) -> str:
    """The Turtle of one plugin."""
    ports = [_CONTROLS]
    audio = [("InputPort", "AudioPort", "in")] * inputs + [("OutputPort", "AudioPort", "out")] * outputs
    if name == "work":
        audio += [("InputPort", "AtomPort", "events"), ("OutputPort", "AtomPort", "notes")]
    ports += [
        f"[ a lv2:{direction}, {'atom' if type_ == 'AtomPort' else 'lv2'}:{type_} ; lv2:index {index} ; "
        f'lv2:symbol "{symbol}_{index}" ; lv2:name "{symbol}" ]'
        for index, (direction, type_, symbol) in enumerate(audio, 4)
    ]
    needs = {
        "work": "<http://lv2plug.in/ns/ext/worker#schedule>, <http://lv2plug.in/ns/ext/urid#map>, "
        "<http://lv2plug.in/ns/ext/options#options>, <http://lv2plug.in/ns/ext/buf-size#boundedBlockLength>",
    }.get(name)
    required = f"lv2:requiredFeature {needs} ;" if needs else ""
    return (
        f'<{TEST}{name}> a lv2:Plugin, lv2:UtilityPlugin ; lv2:binary <test.so> ; doap:name "Test {name}" ; {required} '
        f"doap:license <urn:free> ; lv2:port {', '.join(ports)} .\n"
    )


def build(folder: Path) -> Path:
    """Compile the plugins into `folder`, a bundle each, so that a test can choose which are installed."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is here to make the plugins that misbehave")
    source, binary = folder / "test.c", folder / "test.so"
    source.write_text(_SOURCE)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-w", "-o", str(binary), str(source), "-lm"], check=True, timeout=60
    )
    for name, (inputs, outputs) in _KINDS.items():
        bundle = folder / name / "test.lv2"
        bundle.mkdir(parents=True)
        shutil.copy(binary, bundle / "test.so")
        text = _PREFIXES + _text(name, inputs, outputs)
        if name == "late":
            text += (
                f'<{TEST}late-quiet> a pset:Preset ; lv2:appliesTo <{TEST}late> ; rdfs:label "Quiet" ; '
                'lv2:port [ lv2:symbol "level" ; pset:value 0.25 ] .\n'
            )
        (bundle / "manifest.ttl").write_text(text)
    return folder


def installed(monkeypatch: pytest.MonkeyPatch, folder: Path, *names: str) -> None:
    """Let lilv find the named test plugins and nothing else; no names: all but those that cannot be loaded."""
    chosen = names or tuple(name for name in _KINDS if name not in ("early", "never"))
    monkeypatch.setenv("LV2_PATH", ":".join(str(folder / name) for name in chosen))


def play(rack: Rack, sound: FloatArray, blocks: tuple[int, ...] = (256,), *, outputs: int = 1) -> FloatArray:
    """Play (in, frames) through an offline rack in blocks of these sizes, over and over."""
    out = np.zeros((outputs, sound.shape[1]), np.float32)
    begin = 0
    for block in itertools.cycle(blocks):
        if begin >= sound.shape[1]:
            return out
        assert rack.process(sound[:, begin : begin + block], out[:, begin : begin + block])
        begin += block
    raise AssertionError("there are no blocks")


def play_live(
    rack: Rack, done: Callable[[list[str], bool], bool], level: float = 0.5, seconds: float = 20.0
) -> list[str]:
    """Play a level in real time, ticking, until `done(sentences, wet)`; all sentences come back."""
    sound, out = np.full((1, 128), level, np.float32), np.zeros((1, 128), np.float32)
    said: list[str] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        wet = rack.process(sound, out)
        said += rack.tick()
        if done(said, wet):
            return said
        time.sleep(0.002)
    raise AssertionError(f"what was waited for did not happen within {seconds} s; said was {said}")


def noise(channels: int, frames: int) -> FloatArray:
    """The same noise each time, (channels, frames)."""
    return np.random.default_rng(1).uniform(-0.5, 0.5, (channels, frames)).astype(np.float32)


def delayed(sound: FloatArray, samples: int) -> FloatArray:
    """The sound, later."""
    return np.concatenate((np.zeros((sound.shape[0], samples), np.float32), sound), axis=1)[:, : sound.shape[1]]
