/** The metrics of tasks: what this node knows of, what it runs, and, where it grants them, what it has granted. */
import type { TaskMetrics } from '@causeway/node'
import type { TaskPhase } from '@causeway/protocol'
import { type MetricFamily, type Sample, ofNode } from './metric-family.ts'

export interface TaskCounts extends TaskMetrics {
  readonly phases: Readonly<Record<TaskPhase, number>>
}

export const TASK_FAMILIES: readonly MetricFamily[] = [
  {
    name: 'causeway_tasks',
    type: 'gauge',
    labels: ['phase'],
    help: 'Tasks that this node knows of, by phase.',
    read: ({ tasks }) => Object.entries(tasks.phases).map(([phase, count]): Sample => [{ phase }, count]),
  },
  {
    name: 'causeway_task_workers',
    type: 'gauge',
    labels: [],
    help: 'Programs that run tasks here.',
    read: ofNode(({ tasks }) => tasks.workers),
  },
  {
    name: 'causeway_task_slots',
    type: 'gauge',
    labels: [],
    help: 'How many tasks they can run at once.',
    read: ofNode(({ tasks }) => tasks.slots),
  },
  {
    name: 'causeway_task_leases',
    type: 'gauge',
    labels: [],
    help: 'Tasks that this node holds.',
    read: ofNode(({ tasks }) => tasks.held),
  },
  {
    name: 'causeway_task_given_total',
    type: 'counter',
    labels: [],
    help: 'Tasks given to workers here.',
    read: ofNode(({ tasks }) => tasks.given),
  },
  {
    name: 'causeway_task_taken_total',
    type: 'counter',
    labels: [],
    help: 'Tasks taken from workers here, since the lease was lost or somebody else has it.',
    read: ofNode(({ tasks }) => tasks.taken),
  },
  {
    name: 'causeway_task_reports_refused_total',
    type: 'counter',
    labels: [],
    help: 'What workers reported of tasks that were not theirs any more.',
    read: ofNode(({ tasks }) => tasks.refusedReports),
  },
  {
    name: 'causeway_task_grants_total',
    type: 'counter',
    labels: [],
    help: 'Leases granted. Absent on a node that grants none.',
    read: ofNode(({ tasks }) => tasks.allocator?.grants ?? null),
  },
  {
    name: 'causeway_task_releases_total',
    type: 'counter',
    labels: [],
    help: 'Leases given back. Absent on a node that grants none.',
    read: ofNode(({ tasks }) => tasks.allocator?.releases ?? null),
  },
  {
    name: 'causeway_task_overlaps_total',
    type: 'counter',
    labels: [],
    help: 'Tasks that two nodes were found to run at once. Absent on a node that grants none.',
    read: ofNode(({ tasks }) => tasks.allocator?.overlaps ?? null),
  },
]
