export type { Filter } from './topics/pattern.ts'
export {
  type PublishOptions,
  type SubscribedJob,
  type Subscription,
  type SubscriptionInCode,
  type TopicSettings,
  type Topics,
  topics,
} from './topics/topics.ts'
