/** What a node tells of its mesh and its tasks: links, paths and channels by name, and who may run what. Reads only. */
import {
  type ChannelView,
  type Credential,
  type FrameCounts,
  type Instant,
  type LinkMetrics,
  type LinkView,
  type PathUseView,
  type PathsView,
  type TaskToken,
  nodeId,
} from '@causeway/protocol'
import type { Mesh } from '@causeway/mesh'
import type { TaskDesk, TaskMetrics, TaskReader } from './task-contract.ts'

export abstract class NodeViews implements TaskDesk {
  protected abstract readonly mesh: Mesh
  protected abstract readonly desk: TaskDesk

  links(now: Instant): LinkView[] {
    return this.mesh.linkViews(now).toSorted((a, b) => a.to.localeCompare(b.to))
  }

  frameCounts(): FrameCounts {
    return this.mesh.frameCounts()
  }

  linkMetrics(now: Instant): LinkMetrics[] {
    return this.mesh.linkMetrics(now)
  }

  paths(now: Instant, to: string): PathsView {
    this.mesh.learnName(nodeId(to), to)
    return this.mesh.paths(now, nodeId(to))
  }

  use(now: Instant, to: string): PathUseView {
    return { ...this.paths(now, to), reason: this.mesh.explain(now, nodeId(to)) }
  }

  credentialOf(node: string): Credential | undefined {
    return this.mesh.credentialOf(nodeId(node))
  }

  channels(_now: Instant): ChannelView[] {
    return this.mesh.channelViews()
  }

  get tasks(): TaskReader {
    return this.desk.tasks
  }

  leaseUntil(now: Instant, id: string, token: TaskToken): Instant | null | undefined {
    return this.desk.leaseUntil(now, id, token)
  }

  taskMetrics(): TaskMetrics {
    return this.desk.taskMetrics()
  }
}
