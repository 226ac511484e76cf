"""Pictures of the benchmarks, by gnuplot where it is installed."""
import shutil
import subprocess

from stage import ROOT, say

SCRIPT = """set terminal pngcairo size 900,480 font "sans,11"
set output "%s"
set title "CPU of a queue call beside calls that are held"
set xlabel "calls held"
set ylabel "CPU ms of all processes and nats-server"
set logscale x
set xrange [7:%d]
set yrange [0:*]
set grid ytics lc rgb "#dddddd"
set key bottom right
$d << EOD
%s
EOD
plot $d using 1:2 with linespoints lw 2 pt 7 lc rgb "#1f5fa8" title "a queue call, without what holding costs", \\
     $d using 1:3 with linespoints lw 1 pt 6 lc rgb "#a8a8a8" title "a queue call, with all held calls' own cost on it"
"""


RESTARTS = """set terminal pngcairo size 900,420 font "sans,11"
set output "%s"
set title "From exec to ready: %s"
set ylabel "seconds"
set yrange [0:*]
set style data histograms
set style histogram clustered gap 1
set style fill solid border -1
set grid ytics lc rgb "#dddddd"
set key top right
$d << EOD
%s
EOD
plot $d using 2:xtic(1) lc rgb "#1f5fa8" title "by the clock", $d using 3 lc rgb "#a8a8a8" title "CPU of the service"
"""


def cost_per_call(rows, path):
    """rows: (held, ms of a call, ms with holding, …)."""
    data = "\n".join(" ".join("%g" % x for x in r) for r in rows)
    plot(SCRIPT % (ROOT / path, max(r[0] for r in rows) * 1.4, data), path)


def restarts(rows, what, path):
    """rows: (service, seconds, CPU seconds)."""
    plot(RESTARTS % (ROOT / path, what, "\n".join("%s %g %g" % r for r in rows)), path)


def plot(script, path):
    if not shutil.which("gnuplot"):
        say("    gnuplot is not installed (tools/deps bench): no picture")
        return
    p = subprocess.run(["gnuplot"], input=script, stderr=subprocess.PIPE, text=True)
    say("    %s" % (p.stderr.strip()[-300:] if p.returncode else "plotted: " + path))
