/** Reports in the text format of Prometheus: seconds and ratios, as is the custom there. What was not measured has no sample. */
import type { ProbeReport } from '@causeway/daemon/probing'

/** A family of samples; with a label, one sample per key of what `of` returns, else one. */
type Family =
  | { readonly name: string; readonly help: string; readonly of: (report: ProbeReport) => number }
  | {
      readonly name: string
      readonly help: string
      readonly label: string
      readonly of: (report: ProbeReport) => Readonly<Record<string, number | null>>
    }

const FAMILIES: readonly Family[] = [
  { name: 'sent_packets', help: 'Packets sent', of: ({ sent }) => sent },
  { name: 'received_packets', help: 'Packets answered in time', of: ({ received }) => received },
  { name: 'lost_packets', help: 'Packets lost, by way', label: 'way', of: ({ lost }) => ({ ...lost }) },
  { name: 'loss_ratio', help: 'Share of packets lost, by way', label: 'way', of: ({ lossRatio }) => ({ ...lossRatio }) },
  { name: 'duplicated_packets', help: 'Answers that came twice', of: ({ duplicated }) => duplicated },
  { name: 'reordered_packets', help: 'Answers that were overtaken', of: ({ reordered }) => reordered },
  { name: 'late_packets', help: 'Answers after the timeout', of: ({ late }) => late },
  { name: 'rtt_seconds', help: 'Round trip', label: 'stat', of: ({ rttMs }) => inSeconds({ ...rttMs }) },
  { name: 'jitter_seconds', help: 'Jitter of round trips', label: 'kind', of: ({ jitterMs }) => inSeconds({ ...jitterMs }) },
  { name: 'one_way_seconds', help: 'Delay of each way', label: 'way', of: ({ oneWayMs }) => inSeconds({ ...oneWayMs }) },
]

export async function promText(reports: readonly ProbeReport[]): Promise<string> {
  const { Gauge, Registry } = await import('prom-client')
  const registry = new Registry()
  for (const family of FAMILIES) {
    const labels = 'label' in family ? [family.label] : []
    const name = `causeway_probe_${family.name}`
    const gauge = new Gauge({ name, help: family.help, labelNames: ['target', ...labels], registers: [registry] })
    for (const report of reports) {
      const { target } = report
      if (!('label' in family)) gauge.set({ target }, family.of(report))
      else {
        for (const [key, value] of Object.entries(family.of(report))) {
          if (value !== null) gauge.set({ target, [family.label]: key }, value)
        }
      }
    }
  }
  return (await registry.metrics()).trimEnd()
}

function inSeconds(valuesMs: Readonly<Record<string, number | null>>): Record<string, number | null> {
  return Object.fromEntries(Object.entries(valuesMs).map(([key, value]) => [key, value === null ? null : value / 1000]))
}
