"""Accuracy, kappa and macro F1 of a confusion matrix (rows are the truth)."""


def figures(matrix):
    n, k = sum(map(sum, matrix)), len(matrix)
    right = sum(matrix[c][c] for c in range(k))
    truth, predicted = [sum(row) for row in matrix], [sum(col) for col in zip(*matrix)]
    chance = sum(t * p for t, p in zip(truth, predicted)) / n**2
    f1 = [2 * matrix[c][c] / (truth[c] + predicted[c]) for c in range(k) if truth[c] + predicted[c]]
    return {"accuracy": right / n, "kappa": (right / n - chance) / (1 - chance) if chance < 1 else 0.0, "f1": sum(f1) / len(f1)}
