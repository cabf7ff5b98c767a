/** The charts of a bench as one SVG, one under the other: bars in groups, bounds as dashes across them. */
import { BarChart, ScatterChart } from 'echarts/charts'
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import type { Chart } from './bench.ts'

const WIDTH = 1100
const CHART_HEIGHT = 320
const TOP = 70
const BOTTOM = 70
const COLOURS = ['#3b6fb6', '#e08a2e', '#4c9f70', '#8b6bb8', '#c44e52']

export function renderPlot(title: string, charts: readonly Chart[]): string {
  use([BarChart, ScatterChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: 30 + charts.length * CHART_HEIGHT })
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: [
      { text: title, left: 'center', top: 4, textStyle: { fontSize: 16 } },
      ...charts.map((each, index) => ({ text: each.title, left: 60, top: topOf(index), textStyle: { fontSize: 13 } })),
    ],
    legend: charts.map((each, index) => ({
      top: topOf(index),
      right: 40,
      data: [...each.bars, ...(each.marks ?? [])].map(({ name }) => seriesName(index, name)),
      formatter: (name: string) => name.slice(name.indexOf(':') + 1),
    })),
    grid: charts.map((_, index) => ({ top: topOf(index) + TOP - 20, height: CHART_HEIGHT - TOP - BOTTOM, left: 70, right: 40 })),
    xAxis: charts.map(({ categories }, index) => ({
      type: 'category',
      gridIndex: index,
      data: [...categories],
      axisLabel: { interval: 0, rotate: categories.length > 10 ? 40 : 0, fontSize: 10 },
    })),
    yAxis: charts.map(({ unit }, index) => ({ type: 'value', gridIndex: index, name: unit })),
    series: charts.flatMap(({ bars, marks = [] }, index) => {
      const place = { xAxisIndex: index, yAxisIndex: index }
      return [
        ...bars.map(({ name, values }, bar) => ({
          ...place,
          type: 'bar',
          name: seriesName(index, name),
          itemStyle: { color: COLOURS[bar % COLOURS.length] },
          data: [...values],
        })),
        ...marks.map(({ name, values }) => ({
          ...place,
          type: 'scatter',
          name: seriesName(index, name),
          symbol: 'rect',
          symbolSize: [26, 2],
          itemStyle: { color: '#222222' },
          data: [...values],
        })),
      ]
    }),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

function topOf(index: number): number {
  return 30 + index * CHART_HEIGHT
}

/** Names are unique in a plot; the legend shows what follows the colon. */
function seriesName(index: number, name: string): string {
  return `${index}:${name}`
}
