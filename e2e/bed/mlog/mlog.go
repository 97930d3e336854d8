// Package mlog stands in, over klog, for the module of this path, which cannot be downloaded: it has
// the names that the Secrets Store CSI driver uses. A driver built with it differs from the released
// one in the form of its log lines.
package mlog

import (
	"context"

	"k8s.io/klog/v2"
)

// LogFormat is the form of log lines; klog has one only.
type LogFormat string

// The forms that the driver's flag --log-format-json chooses from.
const (
	FormatText LogFormat = "text"
	FormatJSON LogFormat = "json"
)

// Setup returns what to call before the program ends.
func Setup() func() { return klog.Flush }

// ValidateAndSetKlogLevelAndFormatGlobally has nothing to do: klog's own flag has set the level.
func ValidateAndSetKlogLevelAndFormatGlobally(context.Context, klog.Level, LogFormat) error {
	return nil
}

// Error logs an error with pairs of keys and values.
func Error(message string, err error, keysAndValues ...any) {
	klog.ErrorSDepth(1, err, message, keysAndValues...)
}

// Fatal logs an error and ends the program.
func Fatal(err error) { klog.FatalDepth(1, err) }
