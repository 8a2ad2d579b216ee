// Answers where it was asked: on the worker itself, or on the port that it was sent.
addEventListener('message', ({ data }) => {
  if (!(data instanceof MessagePort)) return postMessage(data)
  data.onmessage = (message) => data.postMessage(message.data)
})
