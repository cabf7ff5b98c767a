/** `causeway task`: tasks, submitted, watched, changed and run; one subcommand each. */
import type { DeclareVerb } from '../verb.ts'
import { declareOrders } from './task/orders.ts'
import { declareReads } from './task/reads.ts'
import { declareSubmit } from './task/submit.ts'
import { declareWork } from './task/work.ts'

const EXAMPLES = `
Examples:
  $ causeway task submit '{"channel": "c7"}' --labels kind=record --near hkg-1 --needs gpu=1 --converge-key record-c7
  $ causeway task list -l kind=record
  $ causeway task why TASK                       why it is where it is, or nowhere
  $ causeway task update TASK '{"channel": "c7", "bitrate": 64000}'
  $ causeway task stop TASK
  $ causeway task undelete TASK                  as long as its worker has not ended
  $ causeway task work -l kind=record --slots 4 -- ./record.sh

Who grants tasks is said by "leases" in the config of every node.
`

export const declareTask: DeclareVerb = (program, onResult) => {
  const task = program
    .command('task')
    .summary('tasks that run once: submit, get, list, watch, update, stop, undelete, move, why, work')
    .description(
      'Submits tasks, shows where they run, and runs them. A task is granted to one node at a time, under a lease; what this node knows of tasks it also tells while its site is cut off.',
    )
    .usage('submit|get|list|watch|update|stop|undelete|move|why|work [options]')
    .addHelpText('after', EXAMPLES)
  declareSubmit(task, onResult)
  declareReads(task, onResult)
  declareOrders(task, onResult)
  declareWork(task, onResult)
}
