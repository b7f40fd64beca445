/** Metrics of one registry, declared in a line each: what a name needs before it and after it is the same for all. */
import { Counter, Gauge, type Registry } from 'prom-client'

export interface MetricFamily {
  gauge(name: string, help: string, ...labelNames: string[]): Gauge
  counter(name: string, help: string, ...labelNames: string[]): Counter
}

/** @param prefix - of every name */
export function metricsIn(registry: Registry, prefix = 'holdfast_'): MetricFamily {
  const told = (name: string, help: string, labelNames: string[]) => ({
    name: `${prefix}${name}`,
    help,
    labelNames,
    registers: [registry]
  })
  return {
    gauge: (name, help, ...labelNames) => new Gauge(told(name, help, labelNames)),
    counter: (name, help, ...labelNames) => new Counter(told(name, help, labelNames))
  }
}
