package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of proto/service.proto are few and flat, so they are written and read field by
// field instead of depending on the driver's module for its generated code.

// rawCodec hands encoded messages through.
type rawCodec struct{}

// Name is that of the content type: the server sees application/grpc+proto.
func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) {
	message, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("%T is no encoded message", v)
	}
	return *message, nil
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	message, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("%T is no encoded message", v)
	}
	// The caller reuses data.
	*message = append([]byte(nil), data...)
	return nil
}

func invoke(ctx context.Context, conn *grpc.ClientConn, method string, in []byte) ([]byte, error) {
	var out []byte
	err := conn.Invoke(ctx, "/v1alpha1.CSIDriverProvider/"+method, &in, &out, grpc.ForceCodec(rawCodec{}))
	return out, err
}

func appendString(message []byte, number protowire.Number, value string) []byte {
	message = protowire.AppendTag(message, number, protowire.BytesType)
	return protowire.AppendString(message, value)
}

// eachField calls f with every field of a message: its octets, or its integer.
func eachField(message []byte, f func(number int, octets []byte, integer uint64) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var octets []byte
		var integer uint64
		switch kind {
		case protowire.BytesType:
			octets, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			integer, n = protowire.ConsumeVarint(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := f(int(number), octets, integer); err != nil {
			return err
		}
	}
	return nil
}
