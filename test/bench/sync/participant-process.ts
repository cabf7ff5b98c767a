/** A participant in a process of its own, in some host: opens the system that it is told, then does as it is ordered. */
import { identityOf } from './trace.ts'
import { Player } from './participant.ts'
import { type ParticipantAnswer, type ParticipantOrder, type ParticipantSpec, openAccess } from './participant-talk.ts'

const player = new Player(({ kind, site, key, value }) => identityOf(kind, site, key, value))
player.use(await openAccess(JSON.parse(process.argv[2] ?? '') as ParticipantSpec, player))
process.on('message', (order: ParticipantOrder) => {
  obey(order).then(
    (answer) => reply(answer),
    (fault: unknown) => reply({ fault: (fault as Error).message }),
  )
})
process.on('disconnect', () => process.exit())
reply({})

async function obey(order: ParticipantOrder): Promise<ParticipantAnswer> {
  switch (order.order) {
    case 'prepare':
      await player.prepare(order.changes)
      return {}
    case 'play':
      await player.play(order.changes, order.startMs)
      return {}
    case 'take':
      return { diary: player.take() }
  }
}

function reply(answer: ParticipantAnswer): void {
  process.send?.(answer)
}
