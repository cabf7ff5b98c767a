/** What became of one task in a world, line by line: for whoever wants to know why a seed objects. */
import type { NodeEffect, NodeMachine } from '@causeway/node'
import type { World } from './world.ts'

export function followTask(world: World<NodeMachine>, id: string, tell: (line: string) => void): void {
  const say = (node: string, text: string): void => tell(`${(world.now / 1000).toFixed(3).padStart(8)} ${node.padEnd(9)} ${text}`)
  let faults = 0
  world.watch((node, effect) => {
    for (; faults < world.faults.length; faults++) say('-', `fault: ${world.faults[faults]?.what}`)
    const text = textOf(effect, id, node.name)
    if (text !== undefined) say(node.name, text)
  })
  world.observe((node, input) => {
    if (input.type === 'orderTask' && 'id' in input.order && input.order.id === id) say(node.name, `order: ${JSON.stringify(input.order)}`)
    if (input.type === 'reportTask' && input.id === id)
      say(node.name, `worker reports ${JSON.stringify(input.report)} under ${input.token}`)
    const isList = input.type === 'leaseAnswer' && input.answer.ok === true && input.answer.leases.length > 3
    if (input.type === 'leaseAnswer' && !isList && JSON.stringify(input.answer).includes(id))
      say(node.name, `engine: ${JSON.stringify(input.answer)}`)
  })
}

function textOf(effect: NodeEffect, id: string, node: string): string | undefined {
  switch (effect.type) {
    case 'change': {
      const { collection, record, change } = effect
      const isOfTask = record.key === id || record.key.startsWith(`${id}@`)
      // Everybody shows it; whoever wrote it and the hubs say enough.
      if (!isOfTask || !(node.startsWith('core') || record.writer === node)) return undefined
      return `${change} ${collection}/${record.partition} ${record.key} by ${record.writer}: ${JSON.stringify(record.value)}`
    }
    case 'taskGiven':
    case 'taskChanged':
      return effect.task.id === id ? `${effect.type} ${effect.task.phase} under ${effect.task.token}` : undefined
    case 'taskTaken':
      return effect.id === id ? `taskTaken under ${effect.token}: ${effect.reason}` : undefined
    case 'taskOrdered':
      return JSON.stringify(effect.result).includes(id) ? `answer: ${JSON.stringify(effect.result).slice(0, 300)}` : undefined
    case 'leaseCall':
      return JSON.stringify(effect.call).includes(id) ? `asks the engine: ${JSON.stringify(effect.call)}` : undefined
    default:
      return undefined
  }
}
