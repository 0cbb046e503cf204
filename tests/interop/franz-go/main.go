// The interop scenario (tests/interop/README.md) with franz-go.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions = 3
	wait       = 60 * time.Second
)

var codecs = []struct {
	name  string
	codec kgo.CompressionCodec
}{
	{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()}, {"snappy", kgo.SnappyCompression()},
	{"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()},
}

type scenario struct {
	bootstrap, topic string
	count, total     int
	baseMs           int64
	failed           int

	mu        sync.Mutex // members read side by side
	seen      []bool
	seenCount int
	badCount  int
}

func (s *scenario) check(good bool, name, format string, args ...any) {
	if good {
		fmt.Println("ok", name)
		return
	}
	fmt.Printf("not ok %s: %s\n", name, fmt.Sprintf(format, args...))
	s.failed++
}

func (s *scenario) must(err error, name string) {
	if err != nil {
		s.check(false, name, "%v", err)
		os.Exit(1)
	}
}

func (s *scenario) record(g int) *kgo.Record {
	codec := codecs[g/s.count].name
	value := []byte(fmt.Sprintf("%s:%d:", codec, g))
	for j := 0; j < g*7919%257; j++ {
		value = append(value, byte((g+j)%256))
	}
	r := &kgo.Record{
		Topic: s.topic, Partition: int32(g % partitions), Value: value,
		Timestamp: time.UnixMilli(s.baseMs + int64(g)),
		Headers: []kgo.RecordHeader{
			{Key: "seq", Value: []byte(strconv.Itoa(g))}, {Key: "codec", Value: []byte(codec)},
			{Key: "empty", Value: []byte{}},
		},
	}
	if g%10 != 9 {
		r.Key = []byte(fmt.Sprintf("key-%d", g))
	}
	return r
}

func (s *scenario) isRight(r *kgo.Record) bool {
	g := int(r.Offset)*partitions + int(r.Partition)
	if g >= s.total {
		return false
	}
	want := s.record(g)
	if (r.Key == nil) != (want.Key == nil) || !bytes.Equal(r.Key, want.Key) ||
		!bytes.Equal(r.Value, want.Value) || !r.Timestamp.Equal(want.Timestamp) ||
		len(r.Headers) != len(want.Headers) {
		return false
	}
	for i, h := range want.Headers {
		if r.Headers[i].Key != h.Key || !bytes.Equal(r.Headers[i].Value, h.Value) {
			return false
		}
	}
	return true
}

func (s *scenario) take(r *kgo.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isRight(r) {
		s.badCount++
		return
	}
	g := int(r.Offset)*partitions + int(r.Partition)
	if !s.seen[g] {
		s.seen[g] = true
		s.seenCount++
	}
}

func (s *scenario) client(opts ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.bootstrap)}, opts...)...)
	if err != nil {
		s.must(err, "client")
	}
	return cl
}

func (s *scenario) produce(ctx context.Context, i int) {
	cl := s.client(kgo.ProducerBatchCompression(codecs[i].codec), kgo.ProducerLinger(5*time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	acked, wrong := 0, 0
	for g := i * s.count; g < (i+1)*s.count; g++ {
		g := g
		cl.Produce(ctx, s.record(g), func(r *kgo.Record, err error) {
			acked++
			if err != nil || int(r.Offset)*partitions+int(r.Partition) != g {
				wrong++
			}
		})
	}
	err := cl.Flush(ctx)
	s.check(err == nil && acked == s.count && wrong == 0, "produce "+codecs[i].name,
		"%d of %d acknowledged, %d wrong, %v", acked, s.count, wrong, err)
}

// member is one consumer of the group. It reads up to readMax, slows down to a trickle there until
// proceed is closed, and leaves at leaveAt, an offset of any partition.
type member struct {
	proceed chan struct{}
	done    chan struct{}
	count   int // under scenario.mu
}

func (s *scenario) join(ctx context.Context, readMax int, leaveAt int64) *member {
	m := &member{proceed: make(chan struct{}), done: make(chan struct{})}
	cl := s.client(kgo.ConsumerGroup(s.topic), kgo.ConsumeTopics(s.topic), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsRevoked(func(ctx context.Context, cl *kgo.Client, _ map[string][]int32) {
			cl.CommitUncommittedOffsets(ctx)
		}))
	go func() {
		defer close(m.done)
		defer cl.Close()
		for ctx.Err() == nil && !s.poll(ctx, cl, m, readMax, leaveAt) {
		}
		cl.CommitUncommittedOffsets(context.Background())
	}()
	return m
}

// poll takes a batch; true when the member shall leave.
func (s *scenario) poll(ctx context.Context, cl *kgo.Client, m *member, readMax int, leaveAt int64) bool {
	max, left := 500, false
	select {
	case <-m.proceed:
		left = true
	default:
		if s.read(m) >= readMax {
			max = 1
			time.Sleep(20 * time.Millisecond)
		}
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	highest := int64(-1)
	fetches := cl.PollRecords(short, max)
	fetches.EachRecord(func(r *kgo.Record) {
		s.take(r)
		highest = r.Offset
		s.mu.Lock()
		m.count++
		s.mu.Unlock()
	})
	cl.AllowRebalance()
	return left && highest >= leaveAt
}

func (s *scenario) read(m *member) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.count
}

func (s *scenario) consumeInGroup(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 4*wait)
	defer cancel()
	first := s.join(ctx, s.total/6, int64(s.total/partitions*2/3))
	until(ctx, func() bool { return s.read(first) >= s.total/6 })
	second := s.join(ctx, s.total, int64(s.total))
	until(ctx, func() bool { return s.read(second) > 0 })
	close(first.proceed)
	<-first.done
	secondBefore := s.read(second)
	until(ctx, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.seenCount == s.total
	})
	timedOut := ctx.Err() != nil
	cancel()
	<-second.done
	s.check(s.seenCount == s.total && s.badCount == 0, "group read", "%d of %d seen, %d wrong",
		s.seenCount, s.total, s.badCount)
	s.check(!timedOut && second.count > secondBefore, "rebalance",
		"first read %d, second %d (%d before the first left)", first.count, second.count, secondBefore)
}

func until(ctx context.Context, is func() bool) {
	for !is() && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *scenario) rereadByTime(ctx context.Context, adm *kadm.Client) {
	committed, err := adm.FetchOffsets(ctx, s.topic)
	sum := int64(0)
	committed.Each(func(o kadm.OffsetResponse) { sum += o.At })
	s.check(err == nil && sum == int64(s.total), "committed", "%d %v", sum, err)

	from := s.total / 2
	found, err := adm.ListOffsetsAfterMilli(ctx, s.baseMs+int64(from), s.topic)
	right := err == nil
	for p := 0; p < partitions; p++ {
		o, ok := found.Lookup(s.topic, int32(p))
		right = right && ok && o.Offset == int64((from-p+partitions-1)/partitions)
	}
	s.check(right, "offsets for times", "%v %v", found, err)
	s.must(adm.CommitAllOffsets(ctx, s.topic, found.Offsets()), "reset")

	cl := s.client(kgo.ConsumerGroup(s.topic), kgo.ConsumeTopics(s.topic), kgo.DisableAutoCommit())
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	got := 0
	for got < s.total-from && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			s.take(r)
			got++
		})
	}
	s.check(got == s.total-from && s.badCount == 0, "re-read", "%d of %d, %d wrong", got,
		s.total-from, s.badCount)
}

func (s *scenario) watermarks(ctx context.Context, adm *kadm.Client) {
	low, err := adm.ListStartOffsets(ctx, s.topic)
	s.must(err, "start offsets")
	high, err := adm.ListEndOffsets(ctx, s.topic)
	s.must(err, "end offsets")
	sum := int64(0)
	high.Each(func(o kadm.ListedOffset) {
		l, _ := low.Lookup(o.Topic, o.Partition)
		sum += o.Offset - l.Offset
	})
	s.check(sum == int64(s.total), "watermarks", "%d records", sum)
}

func (s *scenario) remove(ctx context.Context, adm *kadm.Client) {
	_, err := adm.DeleteGroup(ctx, s.topic)
	s.must(err, "delete group")
	_, err = adm.DeleteTopic(ctx, s.topic)
	s.must(err, "delete topic")
	deadline, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	gone := false
	until(deadline, func() bool {
		topics, err := adm.ListTopics(ctx)
		gone = err == nil && !topics.Has(s.topic)
		return gone
	})
	s.check(gone, "delete", "the topic is still there")
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil || count < 1 {
		fmt.Fprintln(os.Stderr, "usage: franz-go BOOTSTRAP COUNT")
		os.Exit(1)
	}
	total := count * len(codecs)
	s := &scenario{
		bootstrap: os.Args[1], count: count, total: total, seen: make([]bool, total),
		baseMs: time.Now().UnixMilli() - int64(total), topic: fmt.Sprintf("interop-franz-go-%d", os.Getpid()),
	}
	ctx := context.Background()
	cl := s.client()
	defer cl.Close()
	adm := kadm.NewClient(cl)
	_, err = adm.CreateTopic(ctx, partitions, 1, nil, s.topic)
	s.must(err, "create")
	s.check(true, "create", "")
	for i := range codecs {
		s.produce(ctx, i)
	}
	s.watermarks(ctx, adm)
	s.consumeInGroup(ctx)
	s.rereadByTime(ctx, adm)
	s.remove(ctx, adm)
	if s.failed > 0 {
		os.Exit(1)
	}
}
