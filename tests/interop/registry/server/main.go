// A schema registry for the tests: franz-go's srfake answers, a topic of the broker keeps.
//
//	server BOOTSTRAP CERT KEY USER:PASSWORD
//
// Every change that srfake accepts is a record of the compacted topic _schemas, and all of them are
// done again at the start: what was registered outlives this process, not the broker. The first
// line it prints has three addresses: open, TLS with a user, and one that answers HTML. Then comes
// a line for each request that the open one is asked.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

const topic = "_schemas"

type change struct {
	Method, Path, Body string
}

type registry struct {
	lock    sync.Mutex
	handler http.Handler
	client  *kgo.Client
}

func (r *registry) ask(c change) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	r.handler.ServeHTTP(answer, httptest.NewRequest(c.Method, c.Path,
		bytes.NewReader([]byte(c.Body))))
	return answer
}

// Looking up is a POST too, but to /subjects/NAME: doing it again does no harm.
func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.lock.Lock()
	defer r.lock.Unlock()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c := change{req.Method, req.URL.RequestURI(), string(body)}
	answer := r.ask(c)
	if c.Method != http.MethodGet && answer.Code < 300 {
		r.keep(c)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	if _, err := w.Write(answer.Body.Bytes()); err != nil {
		log.Print(err)
	}
}

func (r *registry) keep(c change) {
	value, err := json.Marshal(c)
	if err != nil {
		log.Fatal(err)
	}
	key := sha256.Sum256(value)
	if err := r.client.ProduceSync(context.Background(),
		&kgo.Record{Topic: topic, Key: key[:], Value: value}).FirstErr(); err != nil {
		log.Fatal(err)
	}
}

func (r *registry) replay() {
	ctx := context.Background()
	admin := kadm.NewClient(r.client)
	compact := "compact"
	// An error here means that the topic is there already.
	_, _ = admin.CreateTopic(ctx, 1, 1, map[string]*string{"cleanup.policy": &compact}, topic)
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		log.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	for next := int64(0); next < end.Offset; {
		fetches := r.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			log.Fatal(err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			var c change
			if err := json.Unmarshal(record.Value, &c); err != nil {
				log.Fatal(err)
			}
			if answer := r.ask(c); answer.Code >= 300 {
				log.Fatalf("%s %s: %d", c.Method, c.Path, answer.Code)
			}
			next = record.Offset + 1
		})
	}
}

func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return l
}

func serveHTML(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprint(w, "<html><body>Welcome</body></html>")
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: server BOOTSTRAP CERT KEY USER:PASSWORD")
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.AllowAutoTopicCreation())
	if err != nil {
		log.Fatal(err)
	}
	open := &registry{handler: srfake.NewRegistry().Handler(), client: client}
	open.replay()
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte(os.Args[4]))
	closed := srfake.NewRegistry(srfake.WithAuth(auth)).Handler()
	plain, secure, html := listen(), listen(), listen()
	fmt.Printf("http://%s https://%s http://%s\n", plain.Addr(), secure.Addr(), html.Addr())
	go func() { log.Fatal(http.Serve(html, http.HandlerFunc(serveHTML))) }()
	go func() { log.Fatal(http.ServeTLS(secure, closed, os.Args[2], os.Args[3])) }()
	log.Fatal(http.Serve(plain, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.RequestURI())
		open.ServeHTTP(w, r)
	})))
}
