// Writes golden vectors with franz-go's message package: every request and response at every
// version, filled with seeded random values. One line each: message, version, bytes in hex.
package main

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math/rand"
	"os"
	"reflect"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What both kinds of message have in common.
type message interface {
	MaxVersion() int16
	SetVersion(int16)
	AppendTo([]byte) []byte
}

var words = []string{"", "orders", "a.b-c_d", "gäste", "日本", "x", "10.0.0.1"}

// Tagged fields that came after their message's first flexible version; kmsg writes them into
// every flexible version.
var since = map[string]int16{
	"ProduceResponse.CurrentLeader": 10, "ProduceResponse.Brokers": 10,
	"FetchRequest.ReplicaState": 15, "FetchRequest.ReplicaDirectoryID": 17,
	"FetchRequest.HighWatermark": 18, "FetchResponse.Brokers": 16,
	"VoteResponse.NodeEndpoints": 1, "FetchSnapshotResponse.NodeEndpoints": 1,
	"BrokerHeartbeatRequest.OfflineLogDirs": 1, "BrokerHeartbeatRequest.CordonedLogDirs": 2,
}

// kmsg's spelling of names to Apache's.
var apache = strings.NewReplacer("SASL", "Sasl", "IDs", "Ids", "ID", "Id", "ACLs", "Acls",
	"SCRAM", "Scram", "PartitionAssignments", "PartitionReassignments")

type filler struct {
	*rand.Rand
	name    string
	version int16
}

func (f filler) integer() int64 {
	switch f.Intn(4) {
	case 0:
		return int64(f.Intn(100)) - 10
	case 1:
		return -1 << 63
	default:
		return int64(f.Uint64())
	}
}

func (f filler) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.Intn(2) == 0)
	case reflect.Int8:
		v.SetInt(int64(int8(f.integer())))
	case reflect.Int16:
		v.SetInt(int64(int16(f.integer())))
	case reflect.Int32:
		v.SetInt(int64(int32(f.integer())))
	case reflect.Int64:
		v.SetInt(f.integer())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(f.integer()) & (1<<v.Type().Bits() - 1))
	case reflect.Float64:
		v.SetFloat(f.NormFloat64())
	case reflect.String:
		v.SetString(words[f.Intn(len(words))])
	case reflect.Pointer:
		v.SetZero()
		if f.Intn(4) != 0 {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem())
		}
	case reflect.Array:
		for i := 0; i < v.Len(); i++ {
			f.fill(v.Index(i))
		}
	case reflect.Slice:
		v.SetZero()
		if f.Intn(6) != 0 {
			v.Set(reflect.MakeSlice(v.Type(), f.Intn(3), 3))
			for i := 0; i < v.Len(); i++ {
				f.fill(v.Index(i))
			}
		}
	case reflect.Struct:
		if d, ok := v.Addr().Interface().(interface{ Default() }); ok {
			d.Default()
		}
		for i := 0; i < v.NumField(); i++ {
			name := v.Type().Field(i).Name
			isThere := f.version >= since[f.name+"."+name]
			if name != "Version" && name != "UnknownTags" && isThere {
				f.fill(v.Field(i))
			}
		}
	default:
		panic(v.Type().String())
	}
}

// The lowest version of each API that is still in use: kmsg writes older ones as well.
func main() {
	lowest := map[int]int16{0: 3, 1: 4, 2: 1, 8: 2, 9: 1, 19: 2, 20: 1, 23: 2, 27: 1, 29: 1,
		30: 1, 31: 1, 32: 1, 34: 1, 35: 1, 38: 1, 39: 1, 40: 1, 41: 1, 56: 2, 76: 1, 77: 1,
		78: 1, 79: 1}
	for key := 0; key <= kmsg.MaxKey; key++ {
		if key >= 4 && key <= 7 {
			continue
		}
		api := int16(key)
		for _, m := range []message{kmsg.RequestForKey(api), kmsg.ResponseForKey(api)} {
			name := reflect.TypeOf(m).Elem().Name()
			for version := lowest[key]; version <= m.MaxVersion(); version++ {
				seed := fnv.New64()
				fmt.Fprint(seed, name, version)
				source := rand.NewSource(int64(seed.Sum64()))
				f := filler{rand.New(source), name, version}
				f.fill(reflect.ValueOf(m).Elem())
				m.SetVersion(version)
				bytes := hex.EncodeToString(m.AppendTo(nil))
				if bytes == "" {
					bytes = "-"
				}
				_, err := fmt.Println(apache.Replace(name), version, bytes)
				if err != nil {
					os.Exit(1)
				}
			}
		}
	}
}
