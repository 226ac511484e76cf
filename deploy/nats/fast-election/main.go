// nats-server with a short Raft election: the same program as upstream's main.go, but for the times that upstream does not
// let be configured (server/raft.go): a follower that hears nothing of its leader campaigns after 1 to 2 s instead of 4 to 9 s.
// For nodes of one site with a network below a few milliseconds; see README.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
	_ "unsafe"

	"github.com/nats-io/nats-server/v2/server"
)

//go:linkname minElectionTimeout github.com/nats-io/nats-server/v2/server.minElectionTimeout
var minElectionTimeout time.Duration

//go:linkname maxElectionTimeout github.com/nats-io/nats-server/v2/server.maxElectionTimeout
var maxElectionTimeout time.Duration

//go:linkname hbInterval github.com/nats-io/nats-server/v2/server.hbInterval
var hbInterval time.Duration

func main() {
	const exe = "nats-server"

	hbInterval, minElectionTimeout, maxElectionTimeout = 250*time.Millisecond, time.Second, 2*time.Second
	fs := flag.NewFlagSet(exe, flag.ExitOnError)
	fs.Usage = func() { fmt.Printf("usage: %s -c FILE (the options of nats-server)\n", exe); os.Exit(0) }
	opts, err := server.ConfigureOptions(fs, os.Args[1:], server.PrintServerAndExit, fs.Usage, server.PrintTLSHelpAndDie)
	if err != nil {
		server.PrintAndDie(fmt.Sprintf("%s: %s", exe, err))
	} else if opts.CheckConfig {
		fmt.Fprintf(os.Stderr, "%s: configuration file %s is valid\n", exe, opts.ConfigFile)
		os.Exit(0)
	}
	server.RedactArgs(os.Args)
	s, err := server.NewServer(opts)
	if err != nil {
		server.PrintAndDie(fmt.Sprintf("%s: %s", exe, err))
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil {
		server.PrintAndDie(err.Error())
	}
	s.WaitForShutdown()
}
