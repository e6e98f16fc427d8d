"""Chains whose first layer leaves out the background of the images, on a CPU.

81% of MNIST's pixels are black. With x = x' + b, b the background's pixel and x' zero wherever a
pixel is background, a linear layer's output and gradient are

    W x = W x' + b · (W 1)        ∂L/∂W = g x'ᵀ + b · (g 1ᵀ)

so that only what differs from the background is multiplied, and the background's share is one
vector for all images: that of an image of ones. The same as the dense layer up to rounding.

LeNet-300-100, batch 128, Adam, one core of an AMD EPYC with AVX-512: a step on batches that are
prepared takes .63 of the time that it takes dense and by hand (medians of 12 blocks of 60 in turn);
preparing them takes another eighth to sixth of it (11 trainings on a busy machine). Evaluations
take .47 (10,000 images, n = 4).
"""
