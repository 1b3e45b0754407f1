// Package cluster runs a whole cluster for a test: registryd processes on loopback ports, a bucket of a real MinIO, a real Redis of the cluster's own if
// wished, and a round-robin proxy in front. Nodes can be killed, stopped, paused and started again; each reaches Redis, the store and its clients through
// forwarders of its own, by which it can be cut off. It stops with the test; the nodes' last words are in the output of a test that fails.
//
//	c := cluster.Start(t, cluster.Options{Redis: true})
//	client := c.Client(cluster.RoundRobin)                  // each of its requests goes to the next node
//	response, err := client.Get(c.URL + "/v2/")
//	c.Node(1).Kill()                                        // SIGKILL
//	c.Node(1).Start()                                       // at the same URL
//	c.Node(2).CutOff(cluster.FromRedis, cluster.Hang)       // no byte comes through, no connection breaks
//	c.Node(2).Reconnect(cluster.FromRedis)
//	c.Redis.Flush()
//	c.Check(t)                                              // fsck has read every byte and found nothing wrong
//
// Its methods may be called by several goroutines at once. Those that fail end the test by Fatal, so only the test's own goroutine may call them, unless
// they give an error.
package cluster
