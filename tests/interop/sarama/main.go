// The interop scenario (tests/interop/README.md) with sarama.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const (
	partitions = 3
	wait       = 60 * time.Second
)

var codecs = []struct {
	name  string
	codec sarama.CompressionCodec
}{
	{"none", sarama.CompressionNone}, {"gzip", sarama.CompressionGZIP}, {"snappy", sarama.CompressionSnappy},
	{"lz4", sarama.CompressionLZ4}, {"zstd", sarama.CompressionZSTD},
}

type scenario struct {
	brokers      []string
	topic        string
	count, total int
	baseMs       int64
	failed       int

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

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Return.Errors = true
	return c
}

func (s *scenario) headers(g int) []sarama.RecordHeader {
	return []sarama.RecordHeader{
		{Key: []byte("seq"), Value: []byte(strconv.Itoa(g))},
		{Key: []byte("codec"), Value: []byte(codecs[g/s.count].name)},
		{Key: []byte("empty"), Value: []byte{}},
	}
}

func (s *scenario) value(g int) []byte {
	value := []byte(fmt.Sprintf("%s:%d:", codecs[g/s.count].name, g))
	for j := 0; j < g*7919%257; j++ {
		value = append(value, byte((g+j)%256))
	}
	return value
}

func (s *scenario) isRight(m *sarama.ConsumerMessage) bool {
	g := int(m.Offset)*partitions + int(m.Partition)
	if g >= s.total || !bytes.Equal(m.Value, s.value(g)) || m.Timestamp.UnixMilli() != s.baseMs+int64(g) {
		return false
	}
	if g%10 == 9 && m.Key != nil || g%10 != 9 && string(m.Key) != fmt.Sprintf("key-%d", g) {
		return false
	}
	want := s.headers(g)
	if len(m.Headers) != len(want) {
		return false
	}
	for i, h := range want {
		if !bytes.Equal(m.Headers[i].Key, h.Key) || !bytes.Equal(m.Headers[i].Value, h.Value) {
			return false
		}
	}
	return true
}

func (s *scenario) take(m *sarama.ConsumerMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isRight(m) {
		s.badCount++
		return
	}
	g := int(m.Offset)*partitions + int(m.Partition)
	if !s.seen[g] {
		s.seen[g] = true
		s.seenCount++
	}
}

func (s *scenario) produce(i int) {
	c := config()
	c.Producer.Compression = codecs[i].codec
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
	c.Producer.Flush.Frequency = 5 * time.Millisecond
	c.Producer.Return.Successes = true
	producer, err := sarama.NewAsyncProducer(s.brokers, c)
	s.must(err, "producer "+codecs[i].name)
	go func() {
		for g := i * s.count; g < (i+1)*s.count; g++ {
			m := &sarama.ProducerMessage{
				Topic: s.topic, Partition: int32(g % partitions), Metadata: g, Headers: s.headers(g),
				Value: sarama.ByteEncoder(s.value(g)), Timestamp: time.UnixMilli(s.baseMs + int64(g)),
			}
			if g%10 != 9 {
				m.Key = sarama.StringEncoder(fmt.Sprintf("key-%d", g))
			}
			producer.Input() <- m
		}
		producer.AsyncClose()
	}()
	acked, wrong := 0, 0
	go func() {
		for e := range producer.Errors() {
			fmt.Fprintln(os.Stderr, e)
		}
	}()
	for m := range producer.Successes() {
		acked++
		if int(m.Offset)*partitions+int(m.Partition) != m.Metadata.(int) {
			wrong++
		}
	}
	s.check(acked == s.count && wrong == 0, "produce "+codecs[i].name, "%d of %d acknowledged, %d wrong",
		acked, s.count, wrong)
}

// member is one consumer of the group. Each of its partitions reads up to readMax, trickles there
// until proceed is closed, and the whole member leaves when a partition gets to leaveAt.
type member struct {
	s       *scenario
	readMax int
	leaveAt int64
	proceed chan struct{}
	done    chan struct{}
	leave   context.CancelFunc
	count   int // under scenario.mu
}

func (m *member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) read() int {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	return m.count
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case <-session.Context().Done():
			session.Commit()
			return nil
		case message, ok := <-claim.Messages():
			if !ok {
				session.Commit()
				return nil
			}
			m.s.take(message)
			session.MarkMessage(message, "")
			m.s.mu.Lock()
			m.count++
			m.s.mu.Unlock()
			if !m.mayGoOn(session.Context(), message.Offset) {
				session.Commit()
				m.leave()
				return nil
			}
		}
	}
}

func (m *member) mayGoOn(ctx context.Context, offset int64) bool {
	if m.read() >= m.readMax {
		select {
		case <-m.proceed:
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	select {
	case <-m.proceed:
		return offset < m.leaveAt
	default:
		return true
	}
}

func (s *scenario) join(ctx context.Context, readMax int, leaveAt int64) *member {
	group, err := sarama.NewConsumerGroup(s.brokers, s.topic, config())
	s.must(err, "member")
	ctx, cancel := context.WithCancel(ctx)
	m := &member{s: s, readMax: readMax, leaveAt: leaveAt, leave: cancel,
		proceed: make(chan struct{}), done: make(chan struct{})}
	go func() {
		for err := range group.Errors() {
			if !errors.Is(err, context.Canceled) {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}()
	go func() {
		defer close(m.done)
		defer group.Close()
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{s.topic}, m); err != nil && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}()
	return m
}

func until(ctx context.Context, is func() bool) {
	for !is() && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *scenario) consumeInGroup() {
	ctx, cancel := context.WithTimeout(context.Background(), 4*wait)
	defer cancel()
	first := s.join(ctx, s.total/6, int64(s.total/partitions*2/3))
	until(ctx, func() bool { return first.read() >= s.total/6 })
	second := s.join(ctx, s.total, int64(s.total))
	until(ctx, func() bool { return second.read() > 0 })
	close(first.proceed)
	<-first.done
	secondBefore := second.read()
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

func (s *scenario) rereadByTime(client sarama.Client, admin sarama.ClusterAdmin) {
	committed, err := admin.ListConsumerGroupOffsets(s.topic, map[string][]int32{s.topic: {0, 1, 2}})
	s.must(err, "fetch offsets")
	sum := int64(0)
	for p := int32(0); p < partitions; p++ {
		sum += committed.GetBlock(s.topic, p).Offset
	}
	s.check(sum == int64(s.total), "committed", "%d, want %d", sum, s.total)

	from := s.total / 2
	consumer, err := sarama.NewConsumerFromClient(client)
	s.must(err, "consumer")
	defer consumer.Close()
	offsets, err := sarama.NewOffsetManagerFromClient(s.topic, client)
	s.must(err, "offset manager")
	right, got := true, 0
	for p := int32(0); p < partitions; p++ {
		start, err := client.GetOffset(s.topic, p, s.baseMs+int64(from))
		want := int64((from - int(p) + partitions - 1) / partitions)
		right = right && err == nil && start == want
		om, err := offsets.ManagePartition(s.topic, p)
		s.must(err, "manage partition")
		om.ResetOffset(start, "")
		offsets.Commit()
		om.AsyncClose()
		got += s.readPartition(consumer, p, start)
	}
	s.must(offsets.Close(), "reset")
	s.check(right, "offsets for times", "not the offsets of record %d", from)
	s.check(got == s.total-from && s.badCount == 0, "re-read", "%d of %d, %d wrong", got,
		s.total-from, s.badCount)
	committed, err = admin.ListConsumerGroupOffsets(s.topic, map[string][]int32{s.topic: {0}})
	s.check(err == nil && committed.GetBlock(s.topic, 0).Offset == int64((from+2)/3), "reset is kept", "%v", err)
}

// readPartition reads from start to the end of the partition; returns how many records it got.
func (s *scenario) readPartition(consumer sarama.Consumer, p int32, start int64) int {
	pc, err := consumer.ConsumePartition(s.topic, p, start)
	s.must(err, "consume partition")
	defer pc.Close()
	deadline := time.After(wait)
	got := 0
	for {
		select {
		case m := <-pc.Messages():
			s.take(m)
			got++
			if m.Offset == pc.HighWaterMarkOffset()-1 {
				return got
			}
		case <-deadline:
			return got
		}
	}
}

func (s *scenario) watermarks(client sarama.Client) {
	sum := int64(0)
	for p := int32(0); p < partitions; p++ {
		low, err := client.GetOffset(s.topic, p, sarama.OffsetOldest)
		s.must(err, "start offset")
		high, err := client.GetOffset(s.topic, p, sarama.OffsetNewest)
		s.must(err, "end offset")
		sum += high - low
	}
	s.check(sum == int64(s.total), "watermarks", "%d records", sum)
}

func (s *scenario) remove(admin sarama.ClusterAdmin) {
	s.must(admin.DeleteConsumerGroup(s.topic), "delete group")
	s.must(admin.DeleteTopic(s.topic), "delete topic")
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	gone := false
	until(ctx, func() bool {
		topics, err := admin.ListTopics()
		_, there := topics[s.topic]
		gone = err == nil && !there
		return gone
	})
	s.check(gone, "delete", "the topic is still there")
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil || count < 1 {
		fmt.Fprintln(os.Stderr, "usage: sarama BOOTSTRAP COUNT")
		os.Exit(1)
	}
	total := count * len(codecs)
	s := &scenario{
		brokers: []string{os.Args[1]}, count: count, total: total, seen: make([]bool, total),
		baseMs: time.Now().UnixMilli() - int64(total), topic: fmt.Sprintf("interop-sarama-%d", os.Getpid()),
	}
	client, err := sarama.NewClient(s.brokers, config())
	s.must(err, "client")
	defer client.Close()
	admin, err := sarama.NewClusterAdmin(s.brokers, config())
	s.must(err, "admin")
	defer admin.Close()
	s.must(admin.CreateTopic(s.topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false), "create")
	s.check(true, "create", "")
	for i := range codecs {
		s.produce(i)
	}
	s.watermarks(client)
	s.consumeInGroup()
	s.rereadByTime(client, admin)
	s.remove(admin)
	if s.failed > 0 {
		os.Exit(1)
	}
}
