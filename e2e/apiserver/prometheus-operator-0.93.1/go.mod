module github.com/vaultbind/vaultbind/e2e/apiserver/prometheus-operator-0.93.1

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.93.1
